package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/access"
)

// sealer makes handles that carry their owner, so that every replica can check
// one without asking anybody. Of one text there is one handle for each owner.
type sealer struct {
	key    []byte
	server string
	kind   string // of what is sealed; a handle of one kind is none of another
	limit  int    // bytes of a handle
}

const maxSession = 4096 // bytes of a session's id

var b64 = base64.RawURLEncoding

// seal returns the handle by which a client knows what a server calls by the text.
func (s sealer) seal(c *access.Caller, text string) string {
	return b64.EncodeToString([]byte(text)) + "." + b64.EncodeToString(s.mac(c, text))
}

// open returns the server's text if the handle was made for the caller.
func (s sealer) open(c *access.Caller, sealed string) (string, bool) {
	body, _, ok := strings.Cut(sealed, ".")
	if !ok || len(sealed) > s.limit {
		return "", false
	}
	text, err := b64.DecodeString(body)
	if err != nil || !hmac.Equal([]byte(sealed), []byte(s.seal(c, string(text)))) {
		return "", false
	}
	return string(text), true
}

// mac binds a text to kind, server, tenant, caller and the client that they use: two
// issuers may know different people by one subject. Each part is preceded by
// its length, so that no two lists of parts look the same.
func (s sealer) mac(c *access.Caller, text string) []byte {
	h := hmac.New(sha256.New, s.key)
	for _, part := range [...]string{"gatehouse 2", s.kind, s.server, c.Tenant, c.Issuer, c.Subject, c.Client, text} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)[:16]
}
