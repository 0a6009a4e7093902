package main

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
)

// maxCertificate bounds a file with a certificate, in bytes.
const maxCertificate = 1 << 20

// thumbprint returns what names a certificate on the wire: of a file its first
// certificate, which is the client's own where a chain follows.
func (a *app) thumbprint(value string) (string, error) {
	if value == "" || value == "off" {
		return value, nil
	}
	if strings.HasPrefix(value, "sha256:") {
		p, err := apikey.ParseThumbprint(value)
		if err != nil {
			return "", usage("--certificate %.80q is not sha256: and 64 hexadecimal digits. See them: openssl x509 -noout -fingerprint -sha256 -in FILE", value)
		}
		return p.String(), nil
	}
	f, err := os.Open(value)
	if err != nil {
		return "", usage("--certificate is neither sha256:HEX nor a file: %v", err)
	}
	defer func() { _ = f.Close() }()
	der, err := io.ReadAll(io.LimitReader(f, maxCertificate))
	if err != nil {
		return "", usage("--certificate: %v", err)
	}
	for rest := der; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			der = block.Bytes
			break
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return "", usage("--certificate: there is no X.509 certificate in %s", value)
	}
	if a.now().After(c.NotAfter) {
		a.warn("The certificate in %s ended %s: a connection with it is not accepted.", value, c.NotAfter.UTC().Format("2006-01-02"))
	}
	return apikey.ThumbprintOf(c.Raw).String(), nil
}
