package main

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/cli/browser"

	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

// passphraseVariable holds what the keychain is sealed under where there is no keyring.
const passphraseVariable = "GATEHOUSE_KEYCHAIN_PASSPHRASE"

// openKeychain opens the user's keychain. Who only looks gets fs.ErrNotExist, wrapped,
// when there is none yet.
func (a *app) openKeychain(ctx context.Context, o *reach) (*keychain.Store, error) {
	if o.keychain != "auto" && o.keychain != "file" {
		return nil, usage("--keychain %.40q is neither auto nor file", o.keychain)
	}
	state, err := a.stateDir()
	if err != nil {
		return nil, err
	}
	instead := orElse(o.instead, "--keychain file, or "+passphraseVariable)
	s, err := keychain.Open(ctx, a.keychainOptions(state.Dir, o))
	switch {
	case o.look && errors.Is(err, fs.ErrNotExist):
		return nil, err
	case errors.Is(err, keychain.ErrNoRing):
		return nil, &fault{exitFailure, codeRing, sentence(err.Error()) + " What is kept is sealed under a key in the one that was here before. Come back in the session that has it, or do without what is kept: " + instead + "."}
	case errors.Is(err, keychain.ErrShut):
		return nil, &fault{exitFailure, codeRing, sentence(err.Error()) + " Unlock it, or do without it: " + instead + "."}
	case err != nil:
		return nil, &fault{exitFailure, signin.CodeKeychain, sentence(err.Error())}
	}
	return s, nil
}

// codeRing says that a keyring is locked, or away that was used before.
const codeRing = "GH-2239"

// elsewhere says where else something is kept, if anywhere.
func elsewhere(s *keychain.Store) string {
	text := ""
	for _, p := range s.Elsewhere() {
		text += " Something is kept in " + p.Where + " too: " + p.How + "."
	}
	return text
}

// keychainOptions say where the user's keychain is, and what it is sealed under.
func (a *app) keychainOptions(state string, o *reach) keychain.Options {
	opts := keychain.Options{Dir: filepath.Join(state, "keychain"), Passphrase: a.getenv(passphraseVariable), NoRing: o.keychain == "file", Existing: o.look}
	if !a.hasRing() {
		opts.Ring = keychain.None{}
	}
	return opts
}

// hasRing says whether there may be a keyring. Without a session bus the library
// would start one, which nobody asked for.
func (a *app) hasRing() bool {
	if runtime.GOOS != "linux" || a.getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	_, err := os.Stat("/run/user/" + strconv.Itoa(os.Getuid()) + "/bus")
	return err == nil
}

// quieten says once, for the library has one place for it, where a browser may talk.
var quieten sync.Once

// openBrowser opens an address that was judged: a program gets it as its one
// argument, and no shell reads it. What the program says is not for the client.
func (a *app) openBrowser(_ context.Context, at string) error {
	at, err := signin.Openable(at)
	if err != nil {
		return err
	}
	quieten.Do(func() { browser.Stdout, browser.Stderr = a.err, a.err })
	failed := make(chan error, 1)
	go func() { failed <- browser.OpenURL(at) }()
	a.say("A browser opens to sign in. If it does not, open\n\n  %s\n\n", at)
	select {
	case err := <-failed:
		return err
	default: // some of them run as long as the browser
		return nil
	}
}

// headerName says whether a header may be set by hand: those that frame a message,
// or that the bridge sets itself, may not.
func headerName(name string) bool {
	switch canonical := http.CanonicalHeaderKey(name); {
	case name == "" || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return false
	case strings.HasPrefix(canonical, "Mcp-"):
		return false
	default:
		switch canonical {
		case "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Accept", "Accept-Encoding", "Authorization", "Dpop", "Last-Event-Id", "Upgrade", "Te", "Trailer":
			return false
		}
	}
	return true
}

// accessFault is what a refusal is on a command line.
func accessFault(err error) error {
	var e *signin.Error
	var source *fault
	if !errors.As(err, &e) {
		return err
	}
	if errors.As(e.Cause, &source) { // which says more of itself
		return source
	}
	exit := exitFailure
	switch e.Code {
	case signin.CodeSettings, signin.CodeUnsafe:
		exit = exitUsage
	case signin.CodeNobody, signin.CodeRefused, signin.CodeToken:
		exit = exitAuth
	case signin.CodeUnanswered, signin.CodeProxy:
		exit = exitNetwork
	case signin.CodeOtherAS:
		exit = exitConflict
	}
	return &fault{exit, e.Code, sentence(e.Error())}
}
