package grant

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// Devices lets people allow from one device what another asks for. RFC 8628
type Devices struct {
	Store   DeviceStore      // required
	Service *Service         // required: whose grants they become
	TTL     time.Duration    // how long a code can be typed in; zero: 10 min
	Now     func() time.Time // nil: time.Now
}

// Device is a device that waits for a person.
type Device struct {
	ID       string
	Client   string
	Scopes   []string
	Resource string // canonical
	Offline  bool
	Flow     string // for the trail

	Created time.Time
	Expires time.Time
	Decided time.Time // zero: not yet
	Grant   string    // id of the grant that it became; empty: none
}

// Started is what a device is told. RFC 8628 §3.2
type Started struct {
	DeviceCode string
	UserCode   string // such as "WDJB-MJHT"
	Expires    time.Time
	Interval   time.Duration // between two questions
}

// DeviceRecord is a device as it is stored.
type DeviceRecord struct {
	Device

	Code     [32]byte // SHA-256 of the device code's secret
	UserCode [32]byte // a MAC of the user code: that is too short to be hashed
	Asked    time.Time
	Interval time.Duration
}

// DeviceStore keeps devices that wait.
type DeviceStore interface {
	// Begin adds a device; ErrRaced when another has its user code.
	Begin(ctx context.Context, r *DeviceRecord) error
	// Device returns a device, or ErrNotFound.
	Device(ctx context.Context, id string) (*DeviceRecord, error)
	// ByUserCode returns a device, or ErrNotFound.
	ByUserCode(ctx context.Context, mac [32]byte) (*Device, error)
	// Decide keeps what somebody decided at a moment, with the grant if it was
	// allowed; ErrSpent when it was decided before, or has expired.
	Decide(ctx context.Context, id string, at time.Time, allowed *Record) error
	// Ask notes that a device asks at a moment, and returns when it did so before
	// and how long it has to wait each time. Too early a question makes it wait
	// longer by more.
	Ask(ctx context.Context, id string, at time.Time, more time.Duration) (early bool, err error)
	// Sweep deletes what expired before a moment.
	Sweep(ctx context.Context, before time.Time) (deleted int64, err error)
}

const (
	defaultDeviceTTL = 10 * time.Minute
	deviceInterval   = 5 * time.Second // RFC 8628 §3.5

	// userDigits has no vowels, so that no words come about, and nothing that
	// people take for something else. RFC 8628 §6.1
	userDigits = "BCDFGHJKLMNPQRSTVWXZ"
	userLen    = 8 // 34 bits
)

// Begin has a device wait for a person. It fills in ID, Created and Expires.
func (d *Devices) Begin(ctx context.Context, one *Device) (*Started, error) {
	one.ID, one.Created = keytext.NewID(), cut(d.Now)
	one.Expires = one.Created.Add(orElse(d.TTL, defaultDeviceTTL))
	secret := keytext.NewSecret()
	for range 5 { // two of a million devices rarely draw the same
		code := userCode()
		r := &DeviceRecord{Device: *one, Code: sha256.Sum256(secret[:]), UserCode: d.mac(code), Interval: deviceInterval}
		err := d.Store.Begin(ctx, r)
		if errors.Is(err, ErrRaced) {
			continue
		}
		if err != nil {
			return nil, known(err)
		}
		return &Started{
			DeviceCode: keytext.Compose(keytext.Device, one.ID, secret), UserCode: code[:userLen/2] + "-" + code[userLen/2:],
			Expires: one.Expires, Interval: deviceInterval,
		}, nil
	}
	return nil, known(ErrRaced)
}

// userCode draws one. Bytes that do not divide evenly are thrown away.
func userCode() string {
	const even = 256 / len(userDigits) * len(userDigits)
	out := make([]byte, 0, userLen)
	for raw := [1]byte{}; len(out) < userLen; {
		rand.Read(raw[:]) // never fails: the program ends instead
		if int(raw[0]) < even {
			out = append(out, userDigits[int(raw[0])%len(userDigits)])
		}
	}
	return string(out)
}

func (d *Devices) mac(code string) (sum [32]byte) {
	mac := hmac.New(sha256.New, d.Service.Secret)
	mac.Write([]byte("user code\x00" + code))
	copy(sum[:], mac.Sum(nil))
	return sum
}

// ByUserCode returns the device whose code a person typed: case, blanks and
// dashes do not matter. It returns ErrNotFound, or ErrExpired, also when
// somebody decided before. RFC 8628 §6.1
func (d *Devices) ByUserCode(ctx context.Context, typed string) (*Device, error) {
	if len(typed) > 64 {
		return nil, ErrNotFound
	}
	code := strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' || r == '\t' || r == '‐' || r == '–' {
			return -1
		}
		return r
	}, strings.ToUpper(typed))
	if len(code) != userLen || strings.Trim(code, userDigits) != "" {
		return nil, ErrNotFound
	}
	one, err := d.Store.ByUserCode(ctx, d.mac(code))
	switch {
	case err != nil:
		return nil, known(err)
	case !one.Decided.IsZero() || !cut(d.Now).Before(one.Expires):
		return nil, ErrExpired
	}
	return one, nil
}

// Decide keeps what a person decided of a device, once; a nil authorization
// denies it. It returns ErrSpent when somebody decided before, or it is too
// late. It fills in the authorization's ID and Created.
func (d *Devices) Decide(ctx context.Context, id string, a *Authorization) error {
	if a == nil {
		return known(d.Store.Decide(ctx, id, cut(d.Now), nil))
	}
	one, err := d.Store.Device(ctx, id)
	if err != nil {
		return known(err)
	}
	if one.Client != a.Client || one.Resource != a.Resource || len(Scopes(a.Scopes, one.Scopes)) != len(a.Scopes) {
		return fmt.Errorf("%w: the device asked for something else", ErrMismatch)
	}
	r, err := d.Service.record(a)
	if err != nil {
		return err
	}
	r.CodeExpires = one.Expires // the device may ask until then
	r.Expires = one.Expires
	return known(d.Store.Decide(ctx, id, a.Created, r))
}

// Poll returns the grant of a device, once it was allowed, and once. Key is the
// thumbprint that its refresh tokens are to be bound to; empty: none. It returns
// ErrPending, ErrSlowDown, ErrDenied, ErrExpired, ErrSpent, ErrMismatch when the
// client is another, or ErrNotFound. RFC 8628 §3.5
func (d *Devices) Poll(ctx context.Context, code, client, key string) (*Grant, error) {
	id, secret, err := keytext.Read(keytext.Device, code)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	one, err := d.Store.Device(ctx, id)
	if err != nil {
		return nil, known(err)
	}
	hash, now := sha256.Sum256(secret[:]), cut(d.Now)
	switch {
	case subtle.ConstantTimeCompare(hash[:], one.Code[:]) != 1:
		return nil, ErrNotFound
	case one.Client != client:
		return nil, fmt.Errorf("%w: the device code was given to another client", ErrMismatch)
	case !now.Before(one.Expires):
		return nil, ErrExpired
	}
	early, err := d.Store.Ask(ctx, id, now, deviceInterval)
	switch {
	case err != nil:
		return nil, known(err)
	case early:
		return nil, ErrSlowDown
	case one.Decided.IsZero():
		return nil, ErrPending
	case one.Grant == "":
		return nil, ErrDenied
	}
	g, err := d.Service.Get(ctx, one.Grant)
	if err != nil {
		return nil, err
	}
	if !g.Revoked.IsZero() {
		return nil, ErrRevoked
	}
	if err := d.Service.marked(ctx, g, g.Created, now); err != nil {
		return nil, known(err)
	}
	g, err = d.Service.Store.Redeem(ctx, g.Tenant, g.ID, d.Service.start(g, now, key))
	return g, known(err)
}
