package pin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of what is pinned. What is beyond them counts as a tool that nobody approved.
const (
	MaxTools      = 2000      // of one server, or of one tenant's child
	MaxDefinition = 256 << 10 // bytes of a definition
	MaxName       = 256       // bytes of a tool's name
)

// Hash tells definitions apart.
type Hash [sha256.Size]byte

// String returns the hash for people and for --hash.
func (h Hash) String() string { return hex.EncodeToString(h[:8]) }

// HashOf returns the hash of a definition.
func HashOf(definition []byte) Hash { return sha256.Sum256(definition) }

// pinned are the members of a tool that a client may show its model, or go by.
// MCP 2026-07-28, tools
var pinned = [...]string{"name", "title", "description", "inputSchema", "outputSchema", "annotations"}

// Read returns the name of a tool in a list, and of its members those that are
// pinned as canonical JSON: what is the same to a reader is the same bytes.
// RFC 8785, but whole numbers keep all their digits. Members that a lenient
// reader takes for one of those, as "Description", are among them. The error
// wraps ErrTool.
func Read(raw []byte) (name string, definition []byte, err error) {
	d := jsontext.NewDecoder(strings.NewReader(string(raw)))
	if d.PeekKind() != '{' {
		return "", nil, fmt.Errorf("%w: it is no object", ErrTool)
	}
	if _, err := d.ReadToken(); err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrTool, err)
	}
	out := []byte{'{'}
	for d.PeekKind() != '}' {
		member, err := d.ReadToken()
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", ErrTool, err)
		}
		key := member.String()
		value, err := d.ReadValue()
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", ErrTool, err)
		}
		if !isPinned(key) {
			continue
		}
		if key == "name" && value.Kind() == '"' {
			text, err := jsontext.AppendUnquote(nil, value)
			if err != nil {
				return "", nil, fmt.Errorf("%w: %w", ErrTool, err)
			}
			name = string(text)
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out, err = jsontext.AppendQuote(out, key)
		if err != nil {
			return "", nil, fmt.Errorf("%w: %w", ErrTool, err)
		}
		out = append(append(out, ':'), value...)
	}
	v := jsontext.Value(append(out, '}'))
	if err := v.Canonicalize(jsontext.CanonicalizeRawInts(false)); err != nil {
		return "", nil, fmt.Errorf("%w: %w", ErrTool, err)
	}
	switch {
	case !plain(name):
		return "", nil, fmt.Errorf("%w: its name is empty, too long or does not print", ErrTool)
	case len(v) > MaxDefinition:
		return "", nil, fmt.Errorf("%w: %q has a definition of %d bytes, at most %d", ErrTool, name, len(v), MaxDefinition)
	}
	return name, v, nil
}

// isPinned says whether a reader may take a member for one that is pinned.
func isPinned(member string) bool {
	for _, p := range pinned {
		if strings.EqualFold(member, p) {
			return true
		}
	}
	return false
}

// plain says whether a name can be told to people, and to a command.
func plain(name string) bool {
	return name != "" && len(name) <= MaxName && utf8.ValidString(name) && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
