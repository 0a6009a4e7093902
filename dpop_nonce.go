package gatehouse

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	minNonceKey = 32              // bytes
	noncePeriod = 5 * time.Minute // a nonce holds for one to two of them
)

// nonces makes nonces that nothing has to be remembered of: each is the MAC of
// its period, so every process with the key knows them. RFC 9449 §8
type nonces struct{ key []byte }

// at returns the nonce of a time.
func (n *nonces) at(now time.Time) string { return n.of(now.Unix() / int64(noncePeriod.Seconds())) }

func (n *nonces) of(period int64) string {
	mac := hmac.New(sha256.New, n.key)
	mac.Write(binary.BigEndian.AppendUint64([]byte("gatehouse dpop nonce "), uint64(period)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// hold reports whether a nonce is of this period, the one before, or the next: a
// replica's clock may be ahead.
func (n *nonces) hold(nonce string, now time.Time) bool {
	period := now.Unix() / int64(noncePeriod.Seconds())
	for _, p := range [...]int64{period, period - 1, period + 1} {
		if hmac.Equal([]byte(nonce), []byte(n.of(p))) {
			return true
		}
	}
	return false
}
