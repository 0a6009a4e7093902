package edge

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/caddyserver/certmagic"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Issued returns the certificate that ACME gave for a name and that is kept in a
// directory, without changing anything there. fs.ErrNotExist: there is none.
func Issued(ctx context.Context, storage string, c *config.ACME, name string) (*x509.Certificate, error) {
	files := &certmagic.FileStorage{Path: storage}
	of := &certmagic.ACMEIssuer{CA: cmp.Or(c.Directory, certmagic.LetsEncryptProductionCA)}
	text, err := files.Load(ctx, certmagic.StorageKeys.SiteCert(of.IssuerKey(), name))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("what is kept for %s is no certificate", name)
	}
	return x509.ParseCertificate(block.Bytes)
}
