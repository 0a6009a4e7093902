package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	"github.com/gatehouse-mcp/gatehouse/internal/process"
)

// secretSources is how people are told where a secret may be.
const secretSources = "env:NAME, file:PATH, cmd:PROGRAM or keychain:NAME"

// isSource says whether a text names where a secret is, instead of being one.
func isSource(from string) bool {
	kind, name, ok := strings.Cut(from, ":")
	return ok && name != "" && slices.Contains([]string{"env", "file", "cmd", "keychain"}, kind)
}

// secretFrom returns how to read a secret from env:NAME, file:PATH, cmd:PROGRAM or
// keychain:NAME. It is read when it is needed: it may change. A secret itself is
// refused: others could see it in the list of processes. Without a store the
// user's keychain is opened when it is asked for.
func (a *app) secretFrom(flag, from string, store *keychain.Store) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if !isSource(from) {
			return "", usage("%s wants a source, not the secret itself, which others could see in the list of processes: %s", flag, secretSources)
		}
		kind, name, _ := strings.Cut(from, ":")
		switch kind {
		case "cmd":
			return a.secretOf(flag, name)
		case "keychain":
			return a.secretIn(ctx, flag, name, store)
		}
		text, err := a.source([]string{from})
		if err == nil && text == "" {
			err = usage("%s %s is empty", flag, from)
		}
		return text, err
	}
}

// secretOf runs the program that says the secret.
func (a *app) secretOf(flag, program string) (string, error) {
	command, err := config.Words(program)
	if err != nil {
		return "", usage("%s: %v", flag, err)
	}
	out, err := process.Ask(command, a.environ)
	if err != nil {
		return "", &fault{exitFailure, "GH-2231", sentence(flag + ": the program " + command[0] + " gives no secret: " + err.Error())}
	}
	return strings.TrimSpace(string(out)), nil
}

// secretIn looks into a keychain, or into the user's.
func (a *app) secretIn(ctx context.Context, flag, name string, store *keychain.Store) (string, error) {
	if store == nil {
		var err error
		if store, err = a.usersKeychain(ctx, "another source in place of keychain:NAME"); err != nil {
			return "", err
		}
	}
	v, err := store.Load(ctx, keyRecord(name))
	if err == nil && v == nil {
		err = &fault{exitNotFound, "GH-2231", flag + ": the keychain has nothing under the name " + strconv.Quote(name) + "." + elsewhere(store)}
	}
	return string(v), err
}

// keyRecord is the name of a key in the keychain.
func keyRecord(name string) string { return "key/" + name }

// usersKeychain opens the keychain in which the bridge looks, which is the user's,
// whatever installation or file a command is about. instead is what to do without
// the keyring.
func (a *app) usersKeychain(ctx context.Context, instead string) (*keychain.Store, error) {
	own := *a
	own.file, own.state = "", ""
	return own.openKeychain(ctx, &reach{keychain: "auto", instead: instead + ", or " + passphraseVariable})
}
