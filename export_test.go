package gatehouse

import (
	"crypto/sha256"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// CachedTokens returns how many tokens a verifier keeps.
func CachedTokens(v *JWTVerifier) int {
	n := 0
	if v.rules == nil || v.rules.cache == nil {
		return 0
	}
	for i := range v.rules.cache.shards {
		s := &v.rules.cache.shards[i]
		s.mu.Lock()
		n += len(s.index)
		s.mu.Unlock()
	}
	return n
}

// MemoryOfProofs returns what a DPoP without Replays remembers proofs by.
func MemoryOfProofs(now func() time.Time) Replays { return &seen{now: now} }

// MaxSeen is how many of them it can hold.
const MaxSeen = maxSeen

// Like exports like.
var Like = like

// ReadClaims exports readClaims.
func ReadClaims(raw []byte) (*jws.Object, error) { return readClaims(raw) }

// AskLate asks about a token as a caller does that looked at what is remembered before
// the answer came, and went on after it.
func (v *IntrospectionVerifier) AskLate(text string) error {
	a, err := v.settle()
	if err != nil {
		return err
	}
	q, err := a.join(text, sha256.Sum256([]byte(text)))
	if err != nil {
		return err
	}
	<-q.done
	return q.err
}
