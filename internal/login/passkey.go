package login

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

const (
	ceremonyLife = 5 * time.Minute

	purposeSignIn   = "passkey sign-in"      // row: what somebody is on their way to
	purposeRegister = "passkey registration" // row: the user's id
)

// ErrNoPasskeys says that passkeys cannot be had under this issuer: a browser has
// them for names only, and not for addresses. Web Authentication §5.1.3
var ErrNoPasskeys = errors.New("passkeys need a host name, and the issuer has none")

// passkeyParty is the relying party.
type passkeyParty struct {
	once  sync.Once
	party *webauthn.WebAuthn
	err   error
}

// Passkeys says whether people can sign in with passkeys here.
func (s *Service) Passkeys() bool {
	_, err := s.party()
	return err == nil && s.Seal != nil
}

func (s *Service) party() (*webauthn.WebAuthn, error) {
	s.passkeys.once.Do(func() {
		host := s.host()
		if _, err := netip.ParseAddr(host); err == nil || host == "" {
			s.passkeys.err = ErrNoPasskeys
			return
		}
		within := webauthn.TimeoutConfig{Timeout: ceremonyLife, TimeoutUVD: ceremonyLife} // we enforce it ourselves, by our own clock
		s.passkeys.party, s.passkeys.err = webauthn.New(&webauthn.Config{
			RPID: host, RPDisplayName: s.name(), RPOrigins: []string{s.Issuer},
			AttestationPreference: protocol.PreferNoAttestation, // we ask nobody what they bought
			AuthenticatorSelection: protocol.AuthenticatorSelection{
				ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
				UserVerification: protocol.VerificationRequired, // so that it is two factors by itself
			},
			Timeouts: webauthn.TimeoutsConfig{Login: within, Registration: within},
		})
	})
	return s.passkeys.party, s.passkeys.err
}

// account is a user as the library wants to see one.
type account struct {
	user *User
	keys []webauthn.Credential
}

func (a *account) WebAuthnID() []byte                         { return []byte(a.user.ID) }
func (a *account) WebAuthnName() string                       { return orElse(a.user.Username, a.user.Name) }
func (a *account) WebAuthnDisplayName() string                { return a.user.Name }
func (a *account) WebAuthnCredentials() []webauthn.Credential { return a.keys }

// accountOf reads the passkeys of a user.
func accountOf(u *User, list []Passkey) (*account, error) {
	a := &account{user: u}
	for _, p := range list {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(p.Record), &c); err != nil {
			return nil, fmt.Errorf("read passkey %s: %w", p.ID, err)
		}
		a.keys = append(a.keys, c)
	}
	return a, nil
}

// underway is a ceremony that waits for an authenticator's answer.
type underway struct {
	Data  *webauthn.SessionData `json:"d"`
	Until time.Time             `json:"t"`
}

// ceremony is what is sealed while an authenticator is asked.
func (s *Service) ceremony(purpose, row string, options any, data *webauthn.SessionData) (json.RawMessage, string, error) {
	raw, err := json.Marshal(underway{data, s.now().Add(ceremonyLife)})
	if err != nil {
		return nil, "", err
	}
	sealed, err := s.seal(purpose, row, raw)
	if err != nil {
		return nil, "", err
	}
	text, err := json.Marshal(options)
	return text, sealed, err
}

func (s *Service) resume(purpose, row, sealed string) (*underway, error) {
	raw, err := s.open(purpose, row, sealed)
	if err != nil {
		return nil, err
	}
	var c underway
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpent, err)
	}
	if c.Data == nil || !s.now().Before(c.Until) {
		return nil, ErrSpent
	}
	return &c, nil
}

// AskPasskey returns what a browser asks authenticators for when somebody wants
// to sign in, whoever that is, and what has to come back with the answer.
func (s *Service) AskPasskey(row string) (options json.RawMessage, sealed string, err error) {
	party, err := s.party()
	if err != nil {
		return nil, "", err
	}
	ask, data, err := party.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("ask for a passkey: %w", err)
	}
	return s.ceremony(purposeSignIn, row, ask.Response, data)
}

// Passkey judges an authenticator's answer. ErrWrong: it is not accepted;
// ErrSpent: it came too late; ErrDisabled: it is right, and its user may not come in.
func (s *Service) Passkey(ctx context.Context, sealed, row string, answer []byte, from netip.Addr) (*Proof, error) {
	party, err := s.party()
	if err != nil {
		return nil, err
	}
	c, err := s.resume(purposeSignIn, row, sealed)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	var key *Passkey
	var away error
	_, record, err := party.ValidatePasskeyLogin(func(rawID, _ []byte) (webauthn.User, error) {
		var a *account
		key, a, away = s.owner(ctx, rawID) // that it is the handle's user is compared with what we return
		return a, away
	}, *c.Data, parsed)
	switch {
	case away != nil && !errors.Is(away, ErrNotFound):
		return nil, away
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrWrong, err)
	case record.Authenticator.CloneWarning: // somebody has a copy. Web Authentication §7.2, step 21
		return nil, fmt.Errorf("%w: the counter of passkey %s went back", ErrWrong, key.ID)
	}
	return s.accept(ctx, key, record, c, from)
}

// owner returns a passkey and its user.
func (s *Service) owner(ctx context.Context, rawID []byte) (*Passkey, *account, error) {
	key, err := s.Store.Passkey(ctx, base64.RawURLEncoding.EncodeToString(rawID))
	if err != nil {
		return nil, nil, known(err)
	}
	u, err := s.User(ctx, "", key.User)
	if err != nil {
		return nil, nil, err
	}
	a, err := accountOf(u, []Passkey{*key})
	return key, a, err
}

// accept keeps what an assertion that was right has changed.
func (s *Service) accept(ctx context.Context, key *Passkey, record *webauthn.Credential, c *underway, from netip.Addr) (*Proof, error) {
	u, err := s.User(ctx, "", key.User)
	if err != nil {
		return nil, err
	}
	if u.State == Disabled {
		return nil, ErrDisabled
	}
	fresh, err := s.Store.SpendChallenge(ctx, digest("passkey "+c.Data.Challenge), c.Until)
	if err != nil {
		return nil, known(err)
	}
	if !fresh {
		return nil, fmt.Errorf("%w: the answer was given before", ErrWrong)
	}
	was := key.Record
	raw, err := json.Marshal(record)
	if err != nil {
		return nil, err
	}
	key.Record, key.LastUsed = string(raw), s.now()
	ok, err := s.Store.UsePasskey(ctx, key, was)
	if err != nil {
		return nil, known(err)
	}
	if !ok { // it was used elsewhere this moment, so its counter may have been judged by an old one
		return nil, fmt.Errorf("%w: passkey %s was used at the same moment", ErrWrong, key.ID)
	}
	return s.proved(ctx, &Proof{User: u, Methods: kinds(record)}, from, "")
}

// kinds are the methods of a passkey: one that cannot be copied is in hardware.
func kinds(record *webauthn.Credential) []string {
	if record.Flags.BackupEligible {
		return []string{"swk", "user", "mfa"}
	}
	return []string{"hwk", "user", "mfa"}
}

// OfferPasskey returns what a browser asks an authenticator to make for somebody
// who may set up how they sign in, and what has to come back with it.
func (s *Service) OfferPasskey(ctx context.Context, r Right) (options json.RawMessage, sealed string, err error) {
	party, err := s.party()
	if err != nil {
		return nil, "", err
	}
	u, _, err := s.right(ctx, r)
	if err != nil {
		return nil, "", err
	}
	a, _, err := s.accountOf(ctx, u)
	if err != nil {
		return nil, "", err
	}
	ask, data, err := party.BeginRegistration(a, webauthn.WithExclusions(webauthn.Credentials(a.keys).CredentialDescriptors()))
	if err != nil {
		return nil, "", fmt.Errorf("offer a passkey: %w", err)
	}
	return s.ceremony(purposeRegister, u.ID, ask.Response, data)
}

func (s *Service) accountOf(ctx context.Context, u *User) (*account, *Secrets, error) {
	c, err := s.Store.Secrets(ctx, u.ID)
	if err != nil {
		return nil, nil, known(err)
	}
	a, err := accountOf(u, c.Passkeys)
	return a, c, err
}

// SetPasskey keeps the passkey that an authenticator made, and returns the
// recovery codes that its user has from now on, if those are new. ErrWrong: it is
// not what was asked for; ErrSpent: it came too late; ErrFull: there are too many.
func (s *Service) SetPasskey(ctx context.Context, r Right, sealed string, answer []byte, name string) (*Proof, []string, error) {
	party, err := s.party()
	if err != nil {
		return nil, nil, err
	}
	u, k, err := s.right(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	made, err := s.resume(purposeRegister, u.ID, sealed)
	if err != nil {
		return nil, nil, err
	}
	a, c, err := s.accountOf(ctx, u)
	if err != nil {
		return nil, nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	record, err := party.CreateCredential(a, *made.Data, parsed)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	record.Attestation = webauthn.CredentialAttestation{} // nobody will look at it again
	raw, err := json.Marshal(record)
	if err != nil {
		return nil, nil, err
	}
	e := &Enrolment{User: u.ID, At: s.now(), Passkey: &Passkey{
		ID: newID("pky"), Credential: base64.RawURLEncoding.EncodeToString(record.ID), User: u.ID,
		Name: s.nameFor(name, c.Passkeys), Record: string(raw), Created: s.now(),
	}}
	codes, err := s.enrol(ctx, r, k, c, e)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.proved(ctx, &Proof{User: u, Methods: kinds(record)}, fromNowhere, k.Bucket)
	return p, codes, err
}

// nameFor returns what a passkey is called: what its user says, or else a number.
func (s *Service) nameFor(name string, have []Passkey) string {
	if name = printable(name); name != "" {
		return name
	}
	for n := len(have) + 1; ; n++ {
		name = fmt.Sprintf("Passkey %d", n)
		if !slices.ContainsFunc(have, func(p Passkey) bool { return p.Name == name }) {
			return name
		}
	}
}

// fromNowhere is where what needs no counting comes from.
var fromNowhere netip.Addr
