package client

import (
	"bytes"
	"compress/flate"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// An id of a registration is dcr_ and the base64url text of: the version, the day
// of the registration, its metadata compressed, and a MAC over all that. Nothing is
// kept of any. Equal metadata of clients that prove nothing makes an equal id on the
// same day, so whoever registers a thousand times has one.
const (
	sealedPrefix  = "dcr_"
	sealedVersion = 1
	macLen        = 16   // bytes: 128 bits of HMAC-SHA256. RFC 2104 §5
	maxSealed     = 1536 // characters of an id: it stands in URLs
	maxPlain      = 16 << 10

	day = 24 * time.Hour
)

// dictionary has what most registrations have. It belongs to the version: ids that
// are out there need it to be read.
const dictionary = `"k":{"keys":[{"kty":"RSA","e":"AQAB","use":"sig","alg":"RS256","kid":"","n":"","crv":"P-256","x":"","y":""}]}` +
	`"d":"CN=,O=,C=""urn:ietf:params:oauth:grant-type:device_code","urn:ietf:params:oauth:grant-type:jwt-bearer"` +
	`"private_key_jwt","client_secret_post","client_secret_basic"https://vscode.dev/redirect","https://insiders.vscode.dev/redirect"` +
	`"http://127.0.0.1:33418/"cursor://anysphere.cursor-mcp/oauth/callback","https://www.cursor.com/agents/mcp/oauth/callback",` +
	`"http://localhost:8787/callback""https://claude.ai/api/mcp/auth_callback"chatgpt.com/connector/oauth/MCP Inspector"MCP CLI Proxy"` +
	`{"n":"Claude Code (","r":["http://127.0.0.1:/oauth/callback","http://localhost:/callback"],"g":["authorization_code","refresh_token"],"m":["none"],"a":true}`

var errTooLong = errors.New("the registration is too long for an id")

// sealID makes the id of metadata that was registered at a moment.
func sealID(secret []byte, m *metadata, at time.Time) (string, error) {
	plain, err := m.encode()
	if err != nil {
		return "", err
	}
	if len(plain) > maxPlain {
		return "", errTooLong
	}
	var b bytes.Buffer
	b.WriteByte(sealedVersion)
	b.Write(binary.BigEndian.AppendUint32(nil, uint32(at.Unix()/int64(day/time.Second))))
	if err := compress(&b, plain); err != nil {
		return "", fmt.Errorf("compress a registration: %w", err)
	}
	sum, err := tag(secret, forID, b.Bytes())
	if err != nil {
		return "", err
	}
	id := sealedPrefix + base64.RawURLEncoding.EncodeToString(append(b.Bytes(), sum[:macLen]...))
	if len(id) > maxSealed {
		return "", errTooLong
	}
	return id, nil
}

// They are kept: making one costs more than most registrations.
var compressors, decompressors sync.Pool

func compress(to io.Writer, plain []byte) error {
	z, ok := compressors.Get().(*flate.Writer)
	if ok {
		z.Reset(to)
	} else {
		var err error
		if z, err = flate.NewWriterDict(to, flate.BestCompression, []byte(dictionary)); err != nil {
			return err
		}
	}
	defer compressors.Put(z)
	if _, err := z.Write(plain); err != nil {
		return err
	}
	return z.Close()
}

// decompress returns maxPlain bytes at most, and one more if there are more.
func decompress(body []byte) ([]byte, error) {
	z, ok := decompressors.Get().(io.ReadCloser)
	if !ok {
		z = flate.NewReaderDict(bytes.NewReader(body), []byte(dictionary))
	} else if err := z.(flate.Resetter).Reset(bytes.NewReader(body), []byte(dictionary)); err != nil { //nolint:forcetypeassert // flate says so
		return nil, err
	}
	defer decompressors.Put(z)
	return io.ReadAll(io.LimitReader(z, maxPlain+1))
}

// openID returns what is in an id, and the day of its registration. It returns
// ErrUnknown for whatever was not made by sealID with this secret.
func openID(secret []byte, id string) (*metadata, time.Time, error) {
	var none time.Time
	text, ok := strings.CutPrefix(id, sealedPrefix)
	if !ok || len(id) > maxSealed || strings.ContainsAny(text, "\r\n") {
		return nil, none, ErrUnknown
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < 1+4+macLen {
		return nil, none, ErrUnknown
	}
	body, mac := raw[:len(raw)-macLen], raw[len(raw)-macLen:]
	sum, err := tag(secret, forID, body)
	if err != nil {
		return nil, none, err
	}
	// Nothing of it is read before it is known to be ours.
	if subtle.ConstantTimeCompare(sum[:macLen], mac) != 1 || body[0] != sealedVersion {
		return nil, none, ErrUnknown
	}
	plain, err := decompress(body[5:])
	if err != nil || len(plain) > maxPlain {
		return nil, none, fmt.Errorf("a registration of ours cannot be read: %w", ErrUnknown)
	}
	m, err := parseMetadata(plain)
	if err != nil {
		return nil, none, err
	}
	return m, time.Unix(int64(binary.BigEndian.Uint32(body[1:5]))*int64(day/time.Second), 0).UTC(), nil
}
