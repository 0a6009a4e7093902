package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/access"
)

// sealer makes session ids that carry their owner, so that every replica can
// check one without asking anybody.
type sealer struct {
	key    []byte
	server string
}

var b64 = base64.RawURLEncoding

// seal returns the id by which a client knows a backend's session.
func (s sealer) seal(c *access.Caller, session string) string {
	return b64.EncodeToString([]byte(session)) + "." + b64.EncodeToString(s.mac(c, session))
}

// open returns the backend's session id if the caller owns the session.
func (s sealer) open(c *access.Caller, sealed string) (string, bool) {
	body, _, ok := strings.Cut(sealed, ".")
	if !ok || len(sealed) > 4096 {
		return "", false
	}
	session, err := b64.DecodeString(body)
	if err != nil || !hmac.Equal([]byte(sealed), []byte(s.seal(c, string(session)))) {
		return "", false
	}
	return string(session), true
}

// mac binds a session to server, tenant, caller and the client that they use. Each part is preceded by
// its length, so that no two lists of parts look the same.
func (s sealer) mac(c *access.Caller, session string) []byte {
	h := hmac.New(sha256.New, s.key)
	for _, part := range [...]string{"gatehouse session 2", s.server, c.Tenant, c.ID, c.Client, session} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)[:16]
}
