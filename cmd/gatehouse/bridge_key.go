package main

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// keeping is what bridge key was asked.
type keeping struct {
	reach
	from            string
	replace, remove bool
}

func (a *app) bridgeKey() *cobra.Command {
	var q keeping
	c := &cobra.Command{
		Use:   "key NAME",
		Short: "Keep a key in the keychain, for the bridge",
		Long: "Read a key that you were given and keep it in the keychain, from where a bridge that is started with --key-from\n" +
			"keychain:NAME has it. It is read from standard input, or from where --from says; never from the command line.",
		Example: "  gatehouse bridge key acme                      # asks for it\n" +
			"  gatehouse bridge key acme --from file:acme.key\n" +
			"  gatehouse bridge key acme --remove\n",
		Args: exactly("the name of a key in the keychain"), DisableFlagsInUseLine: true,
		RunE: func(c *cobra.Command, args []string) error { return a.keepKey(c.Context(), &q, args[0]) },
	}
	c.Flags().StringVar(&q.from, "from", "", "where it is, `SOURCE`: env:NAME or file:PATH (default: standard input)")
	c.Flags().BoolVar(&q.replace, "replace", false, "replace the key that is there")
	c.Flags().BoolVar(&q.remove, "remove", false, "take the key out of the keychain")
	q.keychainFlag(c.Flags())
	c.MarkFlagsMutuallyExclusive("remove", "from")
	c.MarkFlagsMutuallyExclusive("remove", "replace")
	return c
}

func (a *app) keepKey(ctx context.Context, q *keeping, name string) error {
	if err := keyName(name); err != nil {
		return err
	}
	store, err := a.openKeychain(ctx, &q.reach)
	if err != nil {
		return err
	}
	there, err := store.Load(ctx, keyRecord(name))
	switch {
	case err != nil:
		return err
	case q.remove && there == nil:
		return &fault{exitNotFound, "GH-2401", "The keychain has nothing under the name " + strconv.Quote(name) + "." + elsewhere(store)}
	case q.remove && a.dry:
		a.done("would take %s out of %s", name, store.Where())
		return nil
	case q.remove:
		if err := store.Delete(ctx, keyRecord(name)); err != nil {
			return err
		}
		a.done("%s is no longer in %s", name, store.Where())
		return nil
	case there != nil && !q.replace:
		return &fault{exitConflict, "GH-2402", "The keychain has something under the name " + strconv.Quote(name) + ". Choose another name, or say --replace."}
	}
	var args []string
	if q.from != "" {
		args = []string{q.from}
	}
	key, err := a.source(args)
	if err != nil {
		return err
	}
	if key == "" || len(key) > maxKept || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return usage("what was read is no key: a key is one line of at most %d characters, without spaces", maxKept) // and is not repeated
	}
	if a.dry {
		a.done("would keep a key as %s in %s", name, store.Where())
		return nil
	}
	if err := store.Save(ctx, keyRecord(name), []byte(key)); err != nil {
		return err
	}
	if a.json {
		return a.object(map[string]string{"name": name, "kept_in": store.Where()})
	}
	a.done("the key is kept as %s in %s", name, store.Where())
	a.say("  Next  gatehouse connect CLIENT URL --via bridge --key-from keychain:%s\n  Undo  gatehouse bridge key %s --remove\n", name, name)
	return nil
}

const maxKept = 8 << 10 // bytes of a key: a header has not more room

var recordName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// keyName refuses what is no name, without repeating it: it may be the key.
func keyName(name string) error {
	if len(name) > 64 || !recordName.MatchString(name) || strings.HasPrefix(name, "gthk_") {
		return usage("the name of a key has at most 64 characters: letters, digits and . _ -. The key itself is asked for, and does not belong on the command line")
	}
	return nil
}
