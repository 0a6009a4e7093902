package keychain

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The parts of a keychain: directories, named after what theirs is sealed under.
const (
	keyringPart    = "keyring"
	machinePart    = "machine"
	passphrasePart = "passphrase"
)

// Part is one part of a keychain, for people.
type Part struct {
	Where string // what it is
	How   string // how one gets to it from the command line
}

func partOf(name string) Part {
	switch name {
	case keyringPart:
		return Part{"a file, sealed under a key in the system's keyring", "--keychain auto"}
	case passphrasePart:
		return Part{"a file, sealed under your passphrase", "GATEHOUSE_KEYCHAIN_PASSPHRASE"}
	default:
		return Part{"a file, sealed under a key of this machine", "--keychain file"}
	}
}

// used says whether anything is kept in a part, as far as one can see.
func used(dir, part string) bool {
	entries, err := os.ReadDir(filepath.Join(dir, part))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), suffix) })
}

// Where says for people where things are kept.
func (s *Store) Where() string { return partOf(s.part).Where }

// Elsewhere returns the other parts of the keychain in which something is kept:
// what is not found here may be there.
func (s *Store) Elsewhere() []Part {
	var others []Part
	for _, part := range [...]string{keyringPart, machinePart, passphrasePart} {
		if part != s.part && used(s.dir, part) {
			others = append(others, partOf(part))
		}
	}
	return others
}
