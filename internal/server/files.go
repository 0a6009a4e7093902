package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server/edge"
)

// CheckFiles says which files that a configuration names cannot be used:
// config.Mistakes about those of issuers, or what the edge says of certificates.
func CheckFiles(c *config.Config, now time.Time) error {
	return errors.Join(edge.CheckFiles(c.Server, now), checkIssuerFiles(c))
}

// checkIssuerFiles reads the files of issuers in the way that the server does. One
// that is mistyped would refuse everybody, and nobody would be told before.
func checkIssuerFiles(c *config.Config) error {
	var all config.Mistakes
	for i := range c.Auth.Issuers {
		u := &c.Auth.Issuers[i]
		at := fmt.Sprintf("auth.issuers[%d]", i)
		if u.CA != "" {
			if _, err := authorities(u.CA); err != nil {
				all = append(all, c.MistakeAt(at+".ca", unusable(u.CA, err)))
			}
		}
		if u.Keys.From != config.KeysFile {
			continue
		}
		keys := RemoteKeys(u, nil)
		_, _ = keys.Keys(context.Background(), "", "") // which reads the file; whether it has this key is another matter
		if err := keys.Status().Err; err != nil {
			all = append(all, c.MistakeAt(at+".keys.file", unusable(u.Keys.File, err)))
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// unusable says why a file cannot be used, with its name once.
func unusable(name string, err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%q cannot be read: %w", name, path.Err)
	}
	return fmt.Errorf("cannot be used: %w", err)
}

// issuerFiles are the files that issuers name.
func issuerFiles(c *config.Config) (files []string) {
	for i := range c.Auth.Issuers {
		for _, name := range [...]string{c.Auth.Issuers[i].CA, c.Auth.Issuers[i].Keys.File} {
			if name != "" {
				files = append(files, name)
			}
		}
	}
	return files
}
