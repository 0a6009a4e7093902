package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	"github.com/gatehouse-mcp/gatehouse/internal/ownfile"
)

// keyVariable is what a key is called in an env-file.
const keyVariable = "GATEHOUSE_KEY"

// sink is a file, or the user's keychain, that a secret goes to instead of the screen.
type sink struct {
	name   string // as the user said it
	prefix string
	file   *os.File
	chain  *keychain.Store // instead of a file
	record string          // its name in there
}

// openSink makes the file, for its owner alone, or says that there is one. nil:
// the secret goes to the screen.
func (a *app) openSink(ctx context.Context, out string) (*sink, error) {
	if out == "" {
		return nil, nil //nolint:nilnil // no sink is what was asked for
	}
	s := &sink{name: out}
	kind, path, _ := strings.Cut(out, ":")
	switch {
	case path == "" || kind != "file" && kind != "env-file" && kind != "keychain":
		return nil, usage("--out %s is none of file:PATH, env-file:PATH and keychain:NAME", out)
	case a.dry:
		return s, nil
	case kind == "keychain":
		return a.openChain(ctx, s, path)
	case kind == "env-file":
		s.prefix = keyVariable + "="
	}
	var err error
	s.file, err = ownfile.Create(path) // nor a link that somebody put there to learn the key
	if errors.Is(err, fs.ErrExist) {
		return nil, &fault{exitConflict, "GH-2402", path + " exists, and a key is never written over something. Choose another name."}
	}
	if err != nil {
		return nil, usage("--out: %v", err)
	}
	return s, nil
}

// openChain makes the keychain ready: that in which the bridge looks, which is the
// user's, whatever installation the key is of.
func (a *app) openChain(ctx context.Context, s *sink, name string) (*sink, error) {
	var err error
	if s.chain, err = a.usersKeychain(ctx, "--out file:PATH"); err != nil {
		return nil, err
	}
	s.record = keyRecord(name)
	there, err := s.chain.Load(ctx, s.record)
	if err != nil {
		return nil, err
	}
	if there != nil {
		return nil, &fault{exitConflict, "GH-2402", "The keychain has something under the name " + strconv.Quote(name) + ", and a key is never written over something. Choose another name."}
	}
	return s, nil
}

// keep writes the secret.
func (s *sink) keep(ctx context.Context, secret string) error {
	if s.chain != nil {
		if err := s.chain.Save(ctx, s.record, []byte(secret)); err != nil {
			return fmt.Errorf("write %s: %w", s.name, err)
		}
		return nil
	}
	_, err := s.file.WriteString(s.prefix + secret + "\n")
	if err = errors.Join(err, s.file.Sync(), s.file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	return nil
}

// discard removes the file when there is no secret for it.
func (s *sink) discard() {
	if s == nil || s.file == nil {
		return
	}
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

// maxInput bounds what is read from a file or standard input, in bytes.
const maxInput = 12 << 20

// source reads a secret's text from standard input (none or "-"), env:NAME or
// file:PATH, with a byte order mark and the white space around it removed.
func (a *app) source(args []string) (string, error) {
	from := "-"
	if len(args) > 0 {
		from = args[0]
	}
	kind, name, named := strings.Cut(from, ":")
	var text string
	switch {
	case apikey.Is(from):
		return "", exposed(from)
	case from == "-":
		if terminal(a.in) {
			a.say("Paste it, then press Enter and Ctrl+D: ")
		}
		b, err := io.ReadAll(io.LimitReader(bufio.NewReader(a.in), maxInput))
		if err != nil {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		text = string(b)
	case kind == "env" && named:
		v, ok := a.lookup(name)
		if !ok {
			return "", usage("the variable %s is not set", name)
		}
		text = v
	case kind == "file" && named:
		f, err := os.Open(name)
		if err != nil {
			return "", usage("%v", err)
		}
		defer func() { _ = f.Close() }()
		b, err := io.ReadAll(io.LimitReader(f, maxInput))
		if err != nil {
			return "", usage("%v", err)
		}
		text = string(b)
	default:
		return "", usage("what was given is not a source: give -, env:NAME or file:PATH") // it may be a secret, so it is not repeated
	}
	return strings.TrimSpace(strings.TrimPrefix(text, "\ufeff")), nil
}
