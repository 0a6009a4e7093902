package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

const (
	// InvitationLife is how long the link of an invitation is good.
	InvitationLife = 72 * time.Hour

	purposeTOTP  = "authenticator"       // row: the user's id
	purposeOffer = "authenticator offer" // the same
)

// Invite makes a link with which a user sets up how they sign in: once, within
// 72 hours, and in place of links made before. With reset, what they prove
// themselves with now is taken away. ErrIssuer: it is not known where it leads.
func (s *Service) Invite(ctx context.Context, t tenant.ID, id, by string, reset bool) (link string, i *Invitation, err error) {
	if s.Issuer == "" {
		return "", nil, ErrIssuer
	}
	u, err := s.User(ctx, t, id)
	if err != nil {
		return "", nil, err
	}
	if u.Username == "" {
		return "", nil, fmt.Errorf("%w: %s signs in by a provider", ErrInvalid, u.ID)
	}
	text, now := newInvitation(), s.now()
	i = &Invitation{ID: newID("inv"), Hash: digest(text), User: u.ID, Created: now, Expires: now.Add(InvitationLife), By: by}
	if err := s.Store.Invite(ctx, i, reset); err != nil {
		return "", nil, known(err)
	}
	return s.Issuer + "/auth/invite?code=" + text, i, nil
}

// Right is by what somebody may set up how they sign in: the text of an
// invitation, or a ticket, or because they are signed in.
type Right struct {
	Invitation  string
	Ticket, Row string
	Person      *Person // who signed in a moment ago: see Fresh
}

// Fresh is how long ago somebody may have signed in who changes how they do.
const Fresh = 10 * time.Minute

// right returns who may set up something, and what that spends. ErrSpent: nobody
// may, not any more.
func (s *Service) right(ctx context.Context, r Right) (*User, *ticket, error) {
	switch {
	case r.Person != nil:
		if s.now().Sub(r.Person.Session.SignedIn) > Fresh {
			return nil, nil, ErrSpent
		}
		u, err := s.User(ctx, "", r.Person.ID)
		return u, &ticket{}, err
	case r.Ticket != "":
		k, u, err := s.read(ctx, r.Ticket, r.Row)
		if err == nil && k.Next != SetUp {
			err = ErrSpent
		}
		return u, k, err
	case r.Invitation == "" || len(r.Invitation) > maxText:
		return nil, nil, ErrSpent
	}
	i, err := s.Store.Invitation(ctx, digest(r.Invitation), s.now())
	if err != nil {
		return nil, nil, known(err)
	}
	u, err := s.User(ctx, "", i.User)
	if errors.Is(err, ErrNotFound) {
		err = ErrSpent
	}
	return u, &ticket{}, err
}

// Who returns who may set up something by a right.
func (s *Service) Who(ctx context.Context, r Right) (*User, error) {
	u, _, err := s.right(ctx, r)
	return u, err
}

// Offer is an authenticator's secret that somebody may take.
type Offer struct {
	Text   string // as people type it
	URL    string // otpauth://, as authenticators read it
	Sealed string // to come back with a code
}

// offered is what is sealed in an Offer.
type offered struct {
	Secret []byte    `json:"s"`
	Until  time.Time `json:"t"`
}

// OfferCodes makes a new secret for a user's authenticator. Nothing is kept of
// it until they have shown with a code that they have it.
func (s *Service) OfferCodes(u *User) (*Offer, error) {
	secret := newOneTime()
	raw, err := json.Marshal(offered{secret, s.now().Add(time.Hour)})
	if err != nil {
		return nil, err
	}
	sealed, err := s.seal(purposeOffer, u.ID, raw)
	if err != nil {
		return nil, err
	}
	return &Offer{Text: secret.text(), URL: secret.url(s.name(), orElse(u.Username, u.ID)), Sealed: sealed}, nil
}

// ErrCode says that a code is not of the authenticator that is being set up.
var ErrCode = errors.New("the code does not fit the authenticator's secret")

// SetPassword has somebody sign in with a password, and with codes of the
// authenticator whose offer they took; either may be empty, and stays then as it
// is. It returns the recovery codes that they have from now on, if those are new.
// A password that may not be one is ErrWeak or ErrInvalid.
func (s *Service) SetPassword(ctx context.Context, r Right, password, offer, code string) (*Proof, []string, error) {
	u, k, err := s.right(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.Store.Secrets(ctx, u.ID)
	if err != nil {
		return nil, nil, known(err)
	}
	if password == "" && c.Password == "" || offer == "" && c.TOTP == "" {
		return nil, nil, fmt.Errorf("%w: a password and an authenticator are needed", ErrInvalid)
	}
	e := &Enrolment{User: u.ID, At: s.now()}
	if offer != "" {
		if e.TOTP, e.Step, err = s.take(u, offer, code); err != nil {
			return nil, nil, err
		}
	}
	if password != "" {
		if err := s.judge(password, u); err != nil {
			return nil, nil, err
		}
		if e.Password, err = s.hashes.hash(ctx, password); err != nil {
			return nil, nil, err
		}
	}
	codes, err := s.enrol(ctx, r, k, c, e)
	if err != nil {
		return nil, nil, err
	}
	if e.Password != "" && c.Password != "" { // whoever knew the one before has nothing of it left
		if _, err := s.RevokeAll(ctx, u.Tenant, u.ID, u.ID, "the password was changed"); err != nil {
			return nil, nil, err
		}
	}
	methods := []string{"pwd"}
	if offer != "" {
		methods = append(methods, "otp", "mfa")
	}
	p, err := s.proved(ctx, &Proof{User: u, Methods: methods}, fromNowhere, k.Bucket)
	return p, codes, err
}

// take judges the code of an offered authenticator.
func (s *Service) take(u *User, offer, code string) (sealed string, step int64, err error) {
	raw, err := s.open(purposeOffer, u.ID, offer)
	if err != nil {
		return "", 0, err
	}
	var o offered
	if err := json.Unmarshal(raw, &o); err != nil || !s.now().Before(o.Until) {
		return "", 0, ErrSpent
	}
	step, ok := oneTime(o.Secret).step(digits(code), s.now())
	if !ok {
		return "", 0, ErrCode
	}
	sealed, err = s.seal(purposeTOTP, u.ID, o.Secret)
	return sealed, step, err
}

// enrol keeps what somebody set up, with new recovery codes if they had none or
// came by an invitation.
func (s *Service) enrol(ctx context.Context, r Right, k *ticket, c *Secrets, e *Enrolment) (codes []string, err error) {
	if r.Invitation != "" {
		e.Invitation = digest(r.Invitation)
	}
	e.Spends = k.Spends
	e.EndSessions = e.Invitation != "" || e.Spends != "" // whoever lost something may have lost it to somebody
	if e.Invitation != "" || c.Recovery == 0 || c.Recovery == 1 && e.Spends != "" {
		codes, e.Recovery = newRecovery()
	}
	if err := s.Store.Enrol(ctx, e, maxPasskeys); err != nil {
		return nil, known(err)
	}
	return codes, nil
}

// NewRecovery gives somebody new recovery codes in place of those they have.
func (s *Service) NewRecovery(ctx context.Context, r Right) ([]string, error) {
	u, k, err := s.right(ctx, r)
	if err != nil {
		return nil, err
	}
	return s.enrol(ctx, r, k, &Secrets{}, &Enrolment{User: u.ID, At: s.now()})
}

// RemovePasskey removes a passkey of somebody who can still sign in without it;
// else it is ErrInvalid.
func (s *Service) RemovePasskey(ctx context.Context, r Right, passkey string) error {
	u, _, err := s.right(ctx, r)
	if err != nil {
		return err
	}
	c, err := s.Store.Secrets(ctx, u.ID)
	if err != nil {
		return known(err)
	}
	if c.Password == "" && len(u.Links) == 0 && len(c.Passkeys) < 2 {
		return fmt.Errorf("%w: it is the only way in which %s can sign in", ErrInvalid, u.ID)
	}
	return known(s.Store.RemovePasskey(ctx, u.ID, passkey))
}
