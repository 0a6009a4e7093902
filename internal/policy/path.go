package policy

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// under says whether a path is a directory or lies below it. What could be read
// in more than one way is an error: so is a relative path, since only the server
// knows what it is relative to.
func under(p, dir string) (bool, error) {
	dir, err := absolute(dir)
	if err != nil {
		return false, fmt.Errorf("the directory %w", err)
	}
	if p, err = absolute(p); err != nil {
		return false, fmt.Errorf("the path %w", err)
	}
	return p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/"), nil
}

// absolute returns a path without doubled and trailing slashes.
func absolute(p string) (string, error) {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "", errors.New("does not begin with /")
	case strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }):
		return "", errors.New("has a control character or a backslash")
	}
	for s := range strings.SplitSeq(p, "/") {
		if s == ".." || s == "." {
			return "", fmt.Errorf("has the segment %q", s)
		}
	}
	return path.Clean(p), nil
}
