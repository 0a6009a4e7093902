package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Try is what somebody who wants to come in gives.
type Try struct {
	Username string
	Password string
	Code     string // recovery code, for Recover
	Row      string // what they are on their way to: what they get is good for that only
	From     netip.Addr
	Browser  string // what Proof.Browser was when somebody last signed in here; empty: nobody did
}

// Next is what is still to be done by somebody who gave the right password.
type Next int

// What there is to do.
const (
	Done  Next = iota // nothing: they are who they say
	Code              // give a code of their authenticator, or a recovery code
	SetUp             // set up an authenticator, as one factor is not enough
)

// Proof is what somebody has proved.
type Proof struct {
	User    *User
	Methods []string // RFC 8176
	Next    Next
	Ticket  string // what the rest is done with, if there is any: for ten minutes, and for the same Row
	Browser string // to be kept in a cookie for a year: attempts from this browser are counted by themselves. Empty: not proved yet
}

const ticketLife = 10 * time.Minute

// ticket is sealed and given to a browser.
type ticket struct {
	User   string    `json:"u"`
	Next   Next      `json:"n"`
	Bucket string    `json:"b"`          // to be forgiven when they are right
	Spends string    `json:"s,omitzero"` // hash of the recovery code that setting up spends
	Until  time.Time `json:"t"`
}

// browser is in the cookie of a browser in which somebody signed in.
type browser struct {
	User string `json:"u"`
	ID   string `json:"i"`
}

const (
	purposeTicket  = "sign-in ticket"
	purposeBrowser = "known browser"
)

// counted returns what attempts under a name are counted by.
func (s *Service) counted(t *Try, u *User) string {
	var b browser
	if text, err := s.open(purposeBrowser, "", t.Browser); err == nil && json.Unmarshal(text, &b) == nil && u != nil && b.User == u.ID {
		return bucket("browser", b.ID)
	}
	name, err := Username(t.Username)
	if err != nil {
		name = t.Username
	}
	return bucket("name", name)
}

// find returns the user of a username and what they have; nil: there is none who may come in.
func (s *Service) find(ctx context.Context, username string) (*User, *Secrets, error) {
	name, err := Username(username)
	if err != nil {
		return nil, &Secrets{}, nil //nolint:nilerr // nobody is called so
	}
	u, err := s.Store.User(ctx, "", name)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, &Secrets{}, nil
	case err != nil:
		return nil, nil, known(err)
	case u.State == Disabled:
		return nil, &Secrets{}, nil
	}
	c, err := s.Store.Secrets(ctx, u.ID)
	if errors.Is(err, ErrNotFound) {
		return nil, &Secrets{}, nil
	}
	return u, c, known(err)
}

// Password judges a name and a password. Whether there is such an account shows
// neither in the answer nor in how long it takes: it is ErrWrong in any case.
func (s *Service) Password(ctx context.Context, t *Try) (*Proof, error) {
	u, c, err := s.find(ctx, t.Username)
	if err != nil {
		return nil, err
	}
	by := s.counted(t, u)
	if err := s.attempt(ctx, t.From, by, paceOfName()); err != nil {
		return nil, err
	}
	ok, err := s.hashes.matches(ctx, t.Password, c.Password)
	switch {
	case err != nil:
		return nil, err
	case !ok || u == nil:
		return nil, ErrWrong
	}
	p := &Proof{User: u, Methods: []string{"pwd"}, Next: SetUp} // a password alone is not enough
	if c.TOTP != "" {
		p.Next = Code
	}
	p.Ticket, err = s.issue(&ticket{User: u.ID, Next: p.Next, Bucket: by}, t.Row)
	return p, err
}

// Second judges the code of somebody who gave the right password: of their
// authenticator, each of which is good once, or one of their recovery codes.
// ErrSpent: they have to begin again.
func (s *Service) Second(ctx context.Context, text, row, code string, from netip.Addr) (*Proof, error) {
	k, u, err := s.read(ctx, text, row)
	if err != nil {
		return nil, err
	}
	if k.Next != Code {
		return nil, ErrSpent
	}
	by := bucket("code", u.ID)
	if err := s.attempt(ctx, from, by, paceOfCode()); err != nil {
		return nil, err
	}
	ok, err := s.spend(ctx, u.ID, code)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, ErrWrong
	}
	if err := s.forgive(ctx, from, by); err != nil {
		return nil, err
	}
	return s.proved(ctx, &Proof{User: u, Methods: []string{"pwd", "otp", "mfa"}}, from, k.Bucket)
}

// spend uses up a code, if it is one of the user's.
func (s *Service) spend(ctx context.Context, id, code string) (bool, error) {
	if hash, ok := recoveryHash(code); ok {
		ok, err := s.Store.SpendRecovery(ctx, id, hash)
		return ok, known(err)
	}
	c, err := s.Store.Secrets(ctx, id)
	if err != nil {
		return false, known(err)
	}
	if c.TOTP == "" {
		return false, nil
	}
	secret, err := s.Seal.Open(purposeTOTP, id, c.TOTP)
	if err != nil {
		return false, fmt.Errorf("open the secret of an authenticator: %w", err)
	}
	step, ok := oneTime(secret).step(digits(code), s.now())
	if !ok {
		return false, nil
	}
	if ok, err = s.Store.SpendStep(ctx, id, step); err == nil && !ok {
		return false, &UsedError{User: id}
	}
	return ok, known(err)
}

// Recover judges the recovery code of somebody who has lost their passkeys. With
// it they may set up how they sign in anew; it is spent when they do. Whoever has
// a password needs that too, and gives the code where they are asked for one.
func (s *Service) Recover(ctx context.Context, t *Try) (*Proof, error) {
	u, c, err := s.find(ctx, t.Username)
	if err != nil {
		return nil, err
	}
	by := s.counted(t, u)
	if err := s.attempt(ctx, t.From, by, paceOfCode()); err != nil {
		return nil, err
	}
	if _, err := s.hashes.matches(ctx, t.Code, ""); err != nil { // it takes as long as it does for a password, whoever it is
		return nil, err
	}
	hash, ok := recoveryHash(t.Code)
	if !ok || u == nil || c.Password != "" {
		return nil, ErrWrong
	}
	ok, err = s.Store.HasRecovery(ctx, u.ID, hash)
	switch {
	case err != nil:
		return nil, known(err)
	case !ok:
		return nil, ErrWrong
	}
	if err := s.forgive(ctx, t.From, by); err != nil {
		return nil, err
	}
	p := &Proof{User: u, Methods: []string{"otp"}, Next: SetUp}
	p.Ticket, err = s.issue(&ticket{User: u.ID, Next: SetUp, Spends: hash, Bucket: by}, t.Row)
	return p, err
}

// proved completes a proof.
func (s *Service) proved(ctx context.Context, p *Proof, from netip.Addr, by string) (*Proof, error) {
	if by != "" {
		if err := s.forgive(ctx, from, by); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(browser{User: p.User.ID, ID: newID("brw")})
	if err == nil {
		p.Browser, err = s.seal(purposeBrowser, "", text)
	}
	p.Next = Done
	return p, err
}

// issue seals a ticket.
func (s *Service) issue(k *ticket, row string) (string, error) {
	k.Until = s.now().Add(ticketLife)
	text, err := json.Marshal(k)
	if err != nil {
		return "", err
	}
	return s.seal(purposeTicket, row, text)
}

// read opens a ticket and returns whose it is, as they are now.
func (s *Service) read(ctx context.Context, text, row string) (*ticket, *User, error) {
	raw, err := s.open(purposeTicket, row, text)
	if err != nil {
		return nil, nil, err
	}
	var k ticket
	if err := json.Unmarshal(raw, &k); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrSpent, err)
	}
	if !s.now().Before(k.Until) {
		return nil, nil, ErrSpent
	}
	u, err := s.User(ctx, "", k.User)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && u.State == Disabled:
		return nil, nil, ErrSpent
	case err != nil:
		return nil, nil, err
	}
	return &k, u, nil
}
