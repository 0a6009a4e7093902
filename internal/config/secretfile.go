package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// maxSecret bounds a file that holds a secret, in bytes.
const maxSecret = 64 << 10

// secretPath takes a name relative to the directory of systemd's credentials
// when there is one, else to the configuration. systemd.exec(5), CREDENTIALS
func (r *reader) secretPath(path string) string {
	if dir, ok := r.outside.lookup("CREDENTIALS_DIRECTORY"); ok && filepath.IsAbs(dir) && filepath.IsLocal(path) {
		return filepath.Join(dir, path)
	}
	return r.within(path)
}

// credentials says whether systemd put a file there. Its modes are systemd's,
// which lets nobody else into the directory.
func (r *reader) credentials(path string) bool {
	dir, ok := r.outside.lookup("CREDENTIALS_DIRECTORY")
	if !ok || !filepath.IsAbs(dir) {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// readSecret returns the text of a file that nobody else may read or replace.
func readSecret(path string, credential bool) (string, error) {
	text, err := secretText(path, credential)
	if err != nil {
		return "", fmt.Errorf("is in the file %s, which %w", path, err)
	}
	return text, nil
}

func secretText(path string, credential bool) (string, error) {
	if path == "" {
		return "", errors.New("has no name")
	}
	// The file is judged after it was opened, so that it cannot be exchanged in between.
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("is not a plain file")
	}
	if !credential {
		if err := private(path, f, info); err != nil {
			return "", err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if len(data) > maxSecret {
		return "", errors.New("is larger than 64 KiB")
	}
	return oneText(data)
}

// oneText takes a secret out of what holds it: less one line end, which editors
// and programs add.
func oneText(data []byte) (string, error) {
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case text == "":
		return "", errors.New("is empty")
	case bytes.HasPrefix(data, []byte("\ufeff")) || bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")):
		return "", errors.New("begins with a byte order mark; save it as plain UTF-8 without one")
	case strings.ContainsRune(text, 0):
		return "", errors.New("holds a NUL")
	case !utf8.ValidString(text):
		return "", errors.New("is not UTF-8")
	}
	return text, nil
}
