// Package tenantfs keeps the files of each tenant in a directory of its own, out
// of which no name leads: not "..", not an absolute path, not a symbolic link,
// not one that is swapped while it is followed. It stands on [os.Root].
//
// What it cannot see through are hard links and mounts: who can make those in
// the directory is let into what they show. It makes none.
package tenantfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse"
)

// ErrTenant says that a name cannot be a tenant's.
var ErrTenant = errors.New("no name of a tenant")

const (
	maxName = 255 // bytes of a directory's name, with most filesystems

	dirMode  = 0o700
	fileMode = 0o600
)

// Root is a directory with a directory for each tenant. It may be used by
// several goroutines at once.
type Root struct {
	// Name returns the tenant that a caller is of; nil: Identity.Tenant. Where
	// several issuers may use one name for two tenants, it has to tell them apart.
	Name func(id *gatehouse.Identity) (string, error)

	base *os.Root
}

// Open opens a directory that is there.
func Open(dir string) (*Root, error) {
	base, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Root{base: base}, nil
}

// Close closes the directory. What [Root.Tenant] returned stays open.
func (r *Root) Close() error { return r.base.Close() }

// For opens the files of the caller in ctx. Its error is a *gatehouse.Error:
// nobody is there (GH-1001), or they are of no tenant (GH-1206).
func (r *Root) For(ctx context.Context) (*FS, error) {
	id, ok := gatehouse.FromContext(ctx)
	if !ok {
		return nil, &gatehouse.Error{Code: "GH-1001", Status: http.StatusUnauthorized, Description: "No credentials.", Challenge: &gatehouse.Challenge{}}
	}
	tenant, err := id.Tenant, error(nil)
	if r.Name != nil {
		tenant, err = r.Name(id)
	}
	if err != nil || tenant == "" {
		return nil, &gatehouse.Error{Code: "GH-1206", Status: http.StatusForbidden, Description: "The credential names no tenant.", Cause: err}
	}
	return r.Tenant(tenant)
}

// Tenant opens the files of a tenant; the first time it makes their directory.
// Its error wraps [ErrTenant] when that is no name. The caller closes the FS.
func (r *Root) Tenant(tenant string) (*FS, error) {
	dir, err := directory(tenant)
	if err != nil {
		return nil, err
	}
	if err := r.base.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// A link in the directory's place would lead to another tenant's and still not
	// out of base. Whether it was one is told by what was opened, not by a look before.
	root, err := r.base.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil {
		var there fs.FileInfo
		if there, err = r.base.Lstat(dir); err == nil && (!there.IsDir() || !os.SameFile(there, opened)) {
			err = fmt.Errorf("%s: not a directory of its own", dir)
		}
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &FS{root: root}, nil
}

// directory returns the name of a tenant's directory. Names that differ have
// directories that differ, on filesystems that do not tell A from a too: what is
// not a small letter, a digit, "-", "_" or "." is written as "=" and its byte in
// hexadecimal.
func directory(tenant string) (string, error) {
	switch {
	case tenant == "":
		return "", fmt.Errorf("%w: it is empty", ErrTenant)
	case tenant == "." || tenant == "..":
		return "", fmt.Errorf("%w: %q", ErrTenant, tenant)
	case !utf8.ValidString(tenant) || strings.ContainsFunc(tenant, func(c rune) bool { return !unicode.IsPrint(c) || c == '/' || c == '\\' }):
		return "", fmt.Errorf("%w: %q", ErrTenant, tenant)
	case strings.TrimSpace(tenant) != tenant:
		return "", fmt.Errorf("%w: %q", ErrTenant, tenant)
	}
	var b strings.Builder
	for i := range len(tenant) {
		c := tenant[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
		dot := c == '.' && i > 0 && i < len(tenant)-1
		if first := i == 0 && reserved(tenant); (plain || dot) && !first {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02x", c)
		}
	}
	if b.Len() > maxName {
		return "", fmt.Errorf("%w: it is too long", ErrTenant)
	}
	return b.String(), nil
}

// reserved says whether Windows takes a name for a device, with any extension.
func reserved(name string) bool {
	base, _, _ := strings.Cut(name, ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt")) && '0' <= base[3] && base[3] <= '9'
}
