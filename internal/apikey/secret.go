package apikey

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret shows of itself.
const redacted = "gthk_[redacted]"

// Secret is the text of a key. It shows itself only to [Secret.Reveal], so that
// no log line, error or JSON document holds it by accident. The zero value is no key.
type Secret struct {
	// A pointer, because fmt asks no method of a secret in somebody's unexported
	// field; of a pointer inside a struct it prints the address.
	text *string
}

// Reveal returns the key's text.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns a placeholder, as do all other ways to print a secret.
func (Secret) String() string { return redacted }

// Format implements fmt.Formatter: String alone would not be asked for %d.
func (Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted) // fmt has no use for the error either
}

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON's.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
