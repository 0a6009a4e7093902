package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
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
	c.Flags().StringVar(&q.from, "from", "", "where it is, env:NAME, file:PATH, cmd:PROGRAM or keychain:NAME (`SOURCE`; default: standard input)")
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
	q.look = a.dry || q.remove // neither makes a keychain
	store, err := a.openKeychain(ctx, &q.reach)
	where, more := "the keychain, which is made then", ""
	var there []byte
	switch {
	case err == nil:
		where, more = store.Where(), elsewhere(store)
		if there, err = store.Load(ctx, keyRecord(name)); err != nil {
			return err
		}
	case !q.look || !errors.Is(err, fs.ErrNotExist):
		return err
	}
	switch {
	case q.remove && there == nil:
		return &fault{exitNotFound, "GH-2401", "The keychain has nothing under the name " + strconv.Quote(name) + "." + more}
	case q.remove && a.dry:
		a.done("would take %s out of %s", name, where)
		return nil
	case q.remove:
		if err := store.Delete(ctx, keyRecord(name)); err != nil {
			return err
		}
		a.done("%s is no longer in %s", name, where)
		return nil
	case there != nil && !q.replace:
		return &fault{exitConflict, "GH-2402", "The keychain has something under the name " + strconv.Quote(name) + ". Choose another name, or say --replace."}
	}
	key, err := a.keyRead(ctx, q.from, store)
	if err != nil {
		return err
	}
	if key == "" || len(key) > maxKept || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return usage("what was read is no key: a key is one line of at most %d characters, without spaces", maxKept) // and is not repeated
	}
	if a.dry {
		a.done("would keep a key as %s in %s", name, where)
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

// keyRead reads a key from where it is. At a terminal it is one line, and is not shown.
func (a *app) keyRead(ctx context.Context, from string, store *keychain.Store) (string, error) {
	if from != "" {
		return a.secretFrom("--from", from, store)(ctx)
	}
	f, ok := a.in.(*os.File)
	if !ok || !terminal(f) {
		return a.source(nil)
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the key: %w", err)
	}
	a.say("Paste the key, which is not shown, and press Enter: ")
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		a.say("\n")
		if l.err != nil {
			return "", fmt.Errorf("read the key: %w", l.err)
		}
		return strings.TrimSpace(string(l.text)), nil
	case <-ctx.Done(): // who reads does not end before Enter, nor would the terminal show anything again
		a.say("\n")
		return "", errors.Join(ctx.Err(), term.Restore(fd, before))
	}
}

const maxKept = 8 << 10 // bytes of a key: a header has not more room

var recordName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// keyLike is how keys begin: ours, those of others, and tokens in the form of a JWT.
var keyLike = regexp.MustCompile(`^(gth[a-z]_|(sk|pk|rk)[-_]|gh[a-z]_|github_pat_|glpat-|xox[a-z]-|xapp-|npm_|hf_|pypi-|dop_v1_|shp[a-z]{2}_|lin_api_|ntn_|secret_|whsec_|AKIA|ASIA|AIza|ya29\.|eyJ)`)

// keyName refuses what is no name, without repeating it: it may be the key.
func keyName(name string) error {
	if len(name) > 64 || !recordName.MatchString(name) || keyLike.MatchString(name) || len(name) > 32 && !strings.ContainsAny(name, ".-") {
		return usage("the name of a key has at most 64 characters: letters, digits and . _ -, and does not look like a key. The key itself is asked for, and does not belong on the command line")
	}
	return nil
}
