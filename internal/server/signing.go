package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/seal"
	"github.com/gatehouse-mcp/gatehouse/internal/signing"
)

// signingKeys are opened when somebody needs them: an installation whose
// upstreams are told nothing has none, and no key file either.
type signingKeys struct {
	mu   sync.Mutex
	keys *signing.Keys // nil: not opened
	stop context.CancelFunc
	work sync.WaitGroup
}

func (s *signingKeys) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
		s.work.Wait()
	}
}

// Signing returns the keys that we sign with, which change on schedule from now
// until Close. The first to ask, of all replicas, makes the first key.
func (i *Installation) Signing(ctx context.Context) (*signing.Keys, error) {
	i.signing.mu.Lock()
	defer i.signing.mu.Unlock()
	if i.signing.keys != nil {
		return i.signing.keys, nil
	}
	key, check, err := i.sealKey(ctx)
	if err != nil {
		return nil, err
	}
	keys := &signing.Keys{
		Store: i.DB.Signing(), Seal: key, Log: i.log, MaxLife: config.MaxAccessTTL,
		Alg: i.signs.Alg, RotateEvery: i.signs.RotateEvery, PublishNext: i.signs.PublishNext, KeepOld: i.signs.KeepOld,
	}
	if err := keys.Open(ctx); err != nil {
		if errors.Is(err, seal.ErrForeign) || errors.Is(err, seal.ErrDamaged) {
			return nil, sealError("%v.", err)
		}
		return nil, fmt.Errorf("open the signing keys: %w", err)
	}
	if key.Stale(check) { // last: from now on the older key is not needed
		if err := i.reseal(ctx, key); err != nil {
			return nil, err
		}
		if err := i.adopt(ctx, key, check); err != nil {
			return nil, err
		}
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	i.signing.keys, i.signing.stop = keys, stop
	i.signing.work.Go(func() { keys.Run(background) })
	return keys, nil
}

const (
	checkPurpose = "check"
	checkText    = "gatehouse"
)

func sealError(format string, args ...any) error {
	return &adminapi.Error{Status: http.StatusBadRequest, Code: "GH-2020", Message: fmt.Sprintf(format, args...)}
}

// lostKey is the refusal when the key is not there, or is another.
type lostKey struct{ refusal *adminapi.Error }

func (l lostKey) Error() string { return l.refusal.Error() }
func (l lostKey) Unwrap() error { return l.refusal }

func lost(format string, args ...any) error {
	return lostKey{&adminapi.Error{
		Status: http.StatusBadRequest, Code: "GH-2020",
		Message: fmt.Sprintf(format, args...) + " If it is lost for good: gatehouse signing-key retire --all",
	}}
}

// sealKey returns the key that the database's secrets are sealed under, and the
// sealed value that it was held against. A wrong or missing key is refused: a
// new one in its place would leave what is sealed closed for good.
func (i *Installation) sealKey(ctx context.Context) (key *seal.Key, check string, err error) {
	if check, err = i.DB.SealCheck(ctx); err != nil {
		return nil, "", err
	}
	if key, err = i.readKey(check != ""); err != nil {
		return nil, "", err
	}
	if check == "" {
		fresh, err := key.Seal(checkPurpose, checkPurpose, []byte(checkText))
		if err != nil {
			return nil, "", fmt.Errorf("seal the check value: %w", err)
		}
		if check, err = i.DB.SetSealCheck(ctx, "", fresh); err != nil {
			return nil, "", err
		}
	}
	text, err := key.Open(checkPurpose, checkPurpose, check)
	switch {
	case errors.Is(err, seal.ErrForeign) && i.material != "":
		return nil, "", lost("store.encryption_key is not the key that this database was sealed under. Give that one; to change it, put the old one into %s for one start.", i.State.keyPath())
	case errors.Is(err, seal.ErrForeign):
		return nil, "", lost("%s is not the key that this database was sealed under. Put that one there, or name the configuration that has it with -c FILE.", i.State.keyPath())
	case err != nil || string(text) != checkText:
		return nil, "", sealError("The database's check value is damaged. Restore a backup: gatehouse db restore FILE")
	}
	return key, check, nil
}

// readKey returns the operator's key, beside that of a key file if there is one
// too, which then is the older; or else the key file's, which is made when
// nothing was sealed yet.
func (i *Installation) readKey(sealed bool) (*seal.Key, error) {
	path := i.State.keyPath()
	text, err := seal.ReadFile(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !missing:
		return nil, sealError("%v.", err)
	case missing && i.material == "" && sealed:
		return nil, lost("%s is missing, and what is secret in the database is sealed under it. Put it back, or name the configuration that has store.encryption_key with -c FILE.", path)
	case missing && i.material == "":
		if text, err = seal.MakeFile(path); err != nil {
			return nil, sealError("%v.", err)
		}
	}
	if i.material == "" {
		return derive(path, text)
	}
	key, err := derive("store.encryption_key", i.material.Reveal())
	if err != nil || missing {
		return key, err
	}
	old, err := derive(path, text)
	if err != nil {
		return nil, err
	}
	return key.After(old), nil
}

func derive(where, text string) (*seal.Key, error) {
	key, err := seal.Derive(text)
	if err != nil {
		return nil, sealError("%s: %v. Make one: openssl rand -base64 32", where, err)
	}
	return key, nil
}

// adopt has the check value sealed under the newer key.
func (i *Installation) adopt(ctx context.Context, key *seal.Key, old string) error {
	fresh, err := key.Seal(checkPurpose, checkPurpose, []byte(checkText))
	if err != nil {
		return fmt.Errorf("seal the check value: %w", err)
	}
	if _, err := i.DB.SetSealCheck(ctx, old, fresh); err != nil {
		return err
	}
	i.log.Info("the database is sealed under store.encryption_key now", "remove", i.State.keyPath())
	return nil
}
