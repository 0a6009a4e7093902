package federation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/seal"
)

const (
	sealLogin  = "upstream sign-in" // purposes
	sealTokens = "upstream token"

	maxLogins = 100_000 // that are under way at once: strangers begin them
)

// ErrBrowser says that a sign-in began in another browser. It is not used up.
var ErrBrowser = errors.New("the sign-in began in another browser")

// LoginStore keeps sign-ins under way.
type LoginStore interface {
	// AddLogin adds a sign-in, and drops those that ended before now. With max
	// of them under way it returns ErrFull.
	AddLogin(ctx context.Context, r *LoginRow, max int, now time.Time) error
	// TakeLogin removes the sign-in of a key, a provider and a browser, and
	// returns it. However many try at once, one gets it; the others get
	// ErrNotFound. ErrBrowser says that it is another browser's, and stays.
	TakeLogin(ctx context.Context, key, provider, browser string) (*LoginRow, error)
}

// LoginRow is a sign-in under way, as it is kept.
type LoginRow struct {
	Key      string // SHA-256 of the state, in hexadecimal digits
	Provider string
	Browser  string // SHA-256 of the browser's cookie
	Sealed   string
	Expires  time.Time
}

// Waiting is a sign-in under way, with what it is for.
type Waiting struct {
	Pending
	Browser string `json:"-"`          // SHA-256 of the cookie of the browser in which it began; required
	Flow    string `json:"w,omitzero"` // the door's own
}

// Logins keep sign-ins under way: each is good once, in the browser in which it began.
type Logins struct {
	Store LoginStore       // required
	Seal  *seal.Key        // required
	Now   func() time.Time // nil: time.Now
}

func (l *Logins) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// Keep keeps a sign-in until it ends. The error may be ErrFull.
func (l *Logins) Keep(ctx context.Context, w *Waiting) error {
	if w.State == "" || w.Browser == "" || w.Provider == "" {
		return errors.New("keep a sign-in: it has no state, browser or provider")
	}
	text, err := json.Marshal(struct {
		Pending
		Flow string `json:"w,omitzero"`
	}{w.Pending, w.Flow})
	if err != nil {
		return fmt.Errorf("keep a sign-in: %w", err)
	}
	key := loginKey(w.State)
	sealed, err := l.Seal.Seal(sealLogin, key, text)
	if err != nil {
		return fmt.Errorf("keep a sign-in: %w", err)
	}
	return l.Store.AddLogin(ctx, &LoginRow{key, w.Provider, w.Browser, sealed, w.Began.Add(Life)}, maxLogins, l.now())
}

// Take returns the sign-in of a state, which is used up with it. It is there for
// its own provider and browser alone. What there is not is a *Refusal.
func (l *Logins) Take(ctx context.Context, state, provider, browser string) (*Waiting, error) {
	const ended = "This sign-in has ended, or was used before. Nothing was granted. Start again from your application."
	if state == "" || len(state) > 256 {
		return nil, &Refusal{Code: CodeState, Text: ended, Cause: errors.New("the answer has no state")}
	}
	key := loginKey(state)
	row, err := l.Store.TakeLogin(ctx, key, provider, browser)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, &Refusal{Code: CodeState, Text: ended, Cause: err}
	case errors.Is(err, ErrBrowser):
		return nil, &Refusal{Code: CodeBrowser, Text: "This sign-in began in another browser, or its cookies are blocked. Nothing was granted. Start again from your application, and stay in the browser that it opens.", Cause: err}
	case err != nil:
		return nil, err
	}
	if !row.Expires.After(l.now()) {
		return nil, &Refusal{Code: CodeState, Text: ended, Cause: errors.New("it began more than ten minutes ago")}
	}
	text, err := l.Seal.Open(sealLogin, key, row.Sealed)
	if err != nil {
		return nil, &Refusal{Code: CodeState, Text: ended, Cause: err}
	}
	w := &Waiting{Browser: row.Browser}
	if err := json.Unmarshal(text, &struct {
		*Pending
		Flow *string `json:"w"`
	}{&w.Pending, &w.Flow}); err != nil {
		return nil, fmt.Errorf("read a sign-in: %w", err)
	}
	w.State = state
	return w, nil
}

func loginKey(state string) string {
	sum := sha256.Sum256([]byte(state))
	return hex.EncodeToString(sum[:])
}
