package apikey

import (
	"io"

	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
)

// Is reports whether text means to be one of our keys, sound or not.
func Is(text string) bool { return keytext.Is(text) }

// Mint returns the id and the text of a new key made of random bytes;
// nil: crypto/rand. It fails only if random does.
func Mint(random io.Reader) (id string, text Secret, err error) {
	id, whole, err := keytext.Mint(random)
	if err != nil {
		return "", Secret{}, err
	}
	return id, Secret{&whole}, nil
}

// Parse returns the id of a key's text. It returns an error that wraps
// [ErrMalformed] and never holds any of the text.
func Parse(text string) (id string, err error) {
	if _, err := keytext.Parse(text); err != nil {
		return "", err
	}
	return keytext.ID(text), nil
}
