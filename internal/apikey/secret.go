package apikey

import "log/slog"

// redacted is what a secret shows of itself.
const redacted = "gthk_[redacted]"

// Secret is the text of a key. It shows itself only to [Secret.Reveal], so that
// no log line, error or JSON document holds it by accident.
type Secret struct{ text string }

// Reveal returns the key's text.
func (s Secret) Reveal() string { return s.text }

// String returns a placeholder, as do all other ways to print a secret.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON's.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
