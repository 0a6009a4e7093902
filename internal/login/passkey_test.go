package login_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/gatehouse-mcp/gatehouse/internal/login"
)

// key is an authenticator with one passkey. What it says can be bent.
type key struct {
	id      []byte
	private *ecdsa.PrivateKey
	handle  []byte
	counter uint32

	origin string
	rp     string
	flags  byte // user present, user verified: 0x05
}

func newKey(t testing.TB) *key {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	id := make([]byte, 16)
	rand.Read(id)
	return &key{id: id, private: private, origin: issuer, rp: "mcp.acme.example", flags: 0x05}
}

var b64 = base64.RawURLEncoding

// data is what an authenticator signs. Web Authentication §6.1
func (k *key) data(attested []byte) []byte {
	rp := sha256.Sum256([]byte(k.rp))
	flags := k.flags
	if attested != nil {
		flags |= 0x40
	}
	return append(binary.BigEndian.AppendUint32(append(rp[:], flags), k.counter), attested...)
}

func (k *key) client(t testing.TB, kind, challenge string) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": k.origin, "crossOrigin": false})
	must(t, err)
	return text
}

// asked reads the options that a browser was given.
func asked(t testing.TB, options json.RawMessage) (challenge, user string) {
	t.Helper()
	var o struct {
		Challenge        string
		User             struct{ ID string }
		UserVerification string
		Selection        struct {
			ResidentKey, UserVerification string
		} `json:"authenticatorSelection"`
		AllowCredentials []any
	}
	must(t, json.Unmarshal(options, &o))
	if o.UserVerification+o.Selection.UserVerification != "required" || o.User.ID != "" && o.Selection.ResidentKey != "required" || o.AllowCredentials != nil {
		t.Errorf("got %s", options)
	}
	return o.Challenge, o.User.ID
}

// make answers a request for a new passkey. Web Authentication §5.1.3
func (k *key) make(t testing.TB, options json.RawMessage) []byte {
	t.Helper()
	challenge, user := asked(t, options)
	handle, err := b64.DecodeString(user)
	must(t, err)
	k.handle = handle
	point, err := k.private.PublicKey.Bytes() // 4, x, y
	must(t, err)
	cose, err := cbor.Marshal(map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:]})
	must(t, err)
	attested := append(binary.BigEndian.AppendUint16(make([]byte, 16), uint16(len(k.id))), append(k.id, cose...)...)
	object, err := cbor.Marshal(map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": k.data(attested)})
	must(t, err)
	return k.answer(t, map[string]string{
		"clientDataJSON": b64.EncodeToString(k.client(t, "webauthn.create", challenge)), "attestationObject": b64.EncodeToString(object),
	})
}

// sign answers a request for somebody to sign in. Web Authentication §5.1.4
func (k *key) sign(t testing.TB, options json.RawMessage) []byte {
	t.Helper()
	challenge, _ := asked(t, options)
	k.counter++
	data, client := k.data(nil), k.client(t, "webauthn.get", challenge)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, sum[:])
	must(t, err)
	return k.answer(t, map[string]string{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data),
		"signature": b64.EncodeToString(signature), "userHandle": b64.EncodeToString(k.handle),
	})
}

func (k *key) answer(t testing.TB, response map[string]string) []byte {
	t.Helper()
	id := b64.EncodeToString(k.id)
	text, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response})
	must(t, err)
	return text
}

// enrols sets up a passkey by an invitation.
func (h *house) enrols(t testing.TB, name string, k *key) (*login.User, []string) {
	t.Helper()
	u, code := h.invited(t, name, false)
	r := login.Right{Invitation: code}
	options, sealed, err := h.OfferPasskey(t.Context(), r)
	must(t, err)
	_, codes, err := h.SetPasskey(t.Context(), r, sealed, k.make(t, options), "My phone")
	must(t, err)
	return u, codes
}

// by signs in with a passkey.
func (h *house) by(t testing.TB, k *key) (*login.Proof, error) {
	t.Helper()
	options, sealed, err := h.AskPasskey("flow")
	must(t, err)
	return h.Passkey(t.Context(), sealed, "flow", k.sign(t, options), here)
}

func TestPasskey(t *testing.T) {
	h := newHouse(t)
	k := newKey(t)
	u, codes := h.enrols(t, "ada", k)
	if len(codes) != 10 {
		t.Errorf("got %d recovery codes", len(codes))
	}
	for range 2 {
		p, err := h.by(t, k)
		must(t, err)
		if p.Next != login.Done || p.User.ID != u.ID || strings.Join(p.Methods, " ") != "hwk user mfa" || p.Browser == "" {
			t.Errorf("got %+v", p)
		}
	}
	has, err := h.Has(t.Context(), u.ID)
	must(t, err)
	if len(has.Passkeys) != 1 || has.Passkeys[0].Name != "My phone" || has.Passkeys[0].LastUsed.IsZero() || has.Passkeys[0].Record != "" {
		t.Errorf("got %+v", has)
	}
	_, err = h.Disable(t.Context(), h.def, u.ID, "root", "")
	must(t, err)
	_, err = h.by(t, k)
	wantErr(t, "disabled", err, login.ErrDisabled)
}

// What is not right in every way is not accepted, and says no more than that.
func TestPasskeysThatAreRefused(t *testing.T) {
	h := newHouse(t)
	k := newKey(t)
	h.enrols(t, "ada", k)
	bob := h.user(t, "bob")
	for what, bend := range map[string]func(*key){
		"another origin":                  func(k *key) { k.origin = "https://mcp.acme.example.evil.example" },
		"plain HTTP":                      func(k *key) { k.origin = "http://mcp.acme.example" },
		"another relying party":           func(k *key) { k.rp = "evil.example" },
		"the user was not verified":       func(k *key) { k.flags = 0x01 },
		"nobody was present":              func(k *key) { k.flags = 0x04 },
		"another key":                     func(k *key) { k.private = newKey(t).private },
		"a passkey that nobody has":       func(k *key) { k.id = newKey(t).id },
		"somebody else's handle":          func(k *key) { k.handle = []byte(bob.ID) },
		"no handle":                       func(k *key) { k.handle = nil },
		"a counter that went back (copy)": func(k *key) { k.counter = 0 },
	} {
		_, err := h.by(t, k) // so that the counter has moved
		must(t, err)
		bent := *k
		bend(&bent)
		if _, err := h.by(t, &bent); err == nil {
			t.Errorf("%s: accepted", what)
		} else {
			wantErr(t, what, err, login.ErrWrong)
		}
		k.counter = max(k.counter, bent.counter)
	}
	for _, junk := range []string{"", "{}", "null", `{"id":"x"}`, strings.Repeat("[", 1000)} {
		_, sealed, err := h.AskPasskey("flow")
		must(t, err)
		_, err = h.Passkey(t.Context(), sealed, "flow", []byte(junk), here)
		wantErr(t, junk, err, login.ErrWrong)
	}
}

// An answer is good once, soon, and for what it was asked for.
func TestPasskeyAnswersAreGoodOnce(t *testing.T) {
	h := newHouse(t)
	k := newKey(t)
	h.enrols(t, "ada", k)
	k.flags |= 0x08 | 0x10 // synced: its counter stays 0
	k.counter = 0
	options, sealed, err := h.AskPasskey("flow")
	must(t, err)
	answer := k.sign(t, options)
	_, err = h.Passkey(t.Context(), sealed, "another flow", answer, here)
	wantErr(t, "for another flow", err, login.ErrSpent)
	_, other, err := h.AskPasskey("flow")
	must(t, err)
	_, err = h.Passkey(t.Context(), other, "flow", answer, here)
	wantErr(t, "for another challenge", err, login.ErrWrong)

	for name, count := range map[string]func(*key){
		"of a device, which counts":            func(*key) {},
		"that is synced, and stays at nothing": func(k *key) { k.counter = math.MaxUint32 }, // one more is 0
	} {
		k = newKey(t)
		if strings.Contains(name, "synced") {
			k.flags |= 0x18
		}
		h.enrols(t, "bob"+strconv.Itoa(len(name)), k)
		count(k)
		options, sealed, err = h.AskPasskey("flow")
		must(t, err)
		if won := h.answers(t, sealed, k.sign(t, options)); won != 1 {
			t.Errorf("a passkey %s: got %d sign-ins by one answer", name, won)
		}
	}
	options, sealed, err = h.AskPasskey("flow")
	must(t, err)
	answer = k.sign(t, options)
	h.pass(6 * time.Minute)
	_, err = h.Passkey(t.Context(), sealed, "flow", answer, here)
	wantErr(t, "too late", err, login.ErrSpent)
}

// answers gives one answer many times at once, and then once more; it returns how
// often that was accepted.
func (h *house) answers(t testing.TB, sealed string, answer []byte) (won int) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = h.Passkey(t.Context(), sealed, "flow", answer, here) })
	}
	wg.Wait()
	_, err := h.Passkey(t.Context(), sealed, "flow", answer, here)
	for _, err := range append(errs, err) {
		if err == nil {
			won++
		} else {
			wantErr(t, "again", err, login.ErrWrong)
		}
	}
	return won
}

// A passkey belongs to one user, and a user keeps one way to sign in.
func TestPasskeysAreKept(t *testing.T) {
	h := newHouse(t)
	k := newKey(t)
	u, codes := h.enrols(t, "ada", k)
	_, code := h.invited(t, "bob", false)
	r := login.Right{Invitation: code}
	options, sealed, err := h.OfferPasskey(t.Context(), r)
	must(t, err)
	_, _, err = h.SetPasskey(t.Context(), r, sealed, k.make(t, options), "")
	wantErr(t, "somebody else's", err, login.ErrExists)
	_, sealedForBob, err := h.OfferPasskey(t.Context(), r)
	must(t, err)
	p, _ := h.open(t, u)
	fresh := login.Right{Person: p}
	options, _, err = h.OfferPasskey(t.Context(), fresh)
	must(t, err)
	second := newKey(t)
	_, _, err = h.SetPasskey(t.Context(), fresh, sealedForBob, second.make(t, options), "")
	wantErr(t, "offered to somebody else", err, login.ErrSpent)

	has, err := h.Has(t.Context(), u.ID)
	must(t, err)
	wantErr(t, "the only one", h.RemovePasskey(t.Context(), fresh, has.Passkeys[0].ID), login.ErrInvalid)
	options, sealed, err = h.OfferPasskey(t.Context(), fresh)
	must(t, err)
	_, more, err := h.SetPasskey(t.Context(), fresh, sealed, second.make(t, options), "")
	must(t, err)
	if more != nil {
		t.Errorf("got %v, want the recovery codes to stay", more)
	}
	must(t, h.RemovePasskey(t.Context(), fresh, has.Passkeys[0].ID))
	k.handle = []byte(u.ID)
	_, err = h.by(t, k)
	wantErr(t, "removed", err, login.ErrWrong)
	_, err = h.by(t, second)
	must(t, err)

	// Somebody who has lost them all gets back by a code, once.
	try := &login.Try{Username: "ada", Code: strings.ToUpper(codes[0]), Row: "flow", From: here}
	got, err := h.Recover(t.Context(), try)
	must(t, err)
	back := login.Right{Ticket: got.Ticket, Row: "flow"}
	third := newKey(t)
	options, sealed, err = h.OfferPasskey(t.Context(), back)
	must(t, err)
	answer := third.make(t, options)
	_, _, err = h.SetPasskey(t.Context(), back, sealed, answer, "")
	must(t, err)
	_, err = h.Recover(t.Context(), try)
	wantErr(t, "the code again", err, login.ErrWrong)
	_, _, err = h.SetPassword(t.Context(), back, good, "", "")
	if err == nil {
		t.Error("the ticket is good twice")
	}
	_, err = h.Session(t.Context(), "x")
	wantErr(t, "no session", err, login.ErrNotFound)
	_, err = h.by(t, third)
	must(t, err)
}

func TestPasskeysNeedAName(t *testing.T) {
	for iss, want := range map[string]bool{issuer: true, "http://localhost:8080": true, "http://127.0.0.1:8080": false, "http://[::1]:8080": false, "": false} {
		h := newHouse(t)
		h.Issuer = iss
		if h.Passkeys() != want {
			t.Errorf("%s: got %v, want %v", iss, !want, want)
		}
	}
}
