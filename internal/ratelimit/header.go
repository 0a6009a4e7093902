package ratelimit

import (
	"net/http"
	"strconv"
	"time"
)

// Header sets RateLimit-Policy and RateLimit, and Retry-After when the decision
// is a refusal. Where there is no limit it sets no RateLimit fields.
// draft-ietf-httpapi-ratelimit-headers-11 §3, §4; RFC 9110 §10.2.3
func (d Decision) Header(h http.Header) {
	if !d.OK {
		h["Retry-After"] = []string{strconv.FormatInt(seconds(d.RetryAfter), 10)}
	}
	if d.Bucket.Rate.Zero() { // a ban has no rate either
		return
	}
	var room [64]byte
	b := d.AppendPolicy(room[:0])
	split := len(b)
	b = d.AppendLimit(b)
	text := string(b) // one for both
	h["Ratelimit-Policy"] = []string{text[:split]}
	h["Ratelimit"] = []string{text[split:]}
}

// AppendPolicy appends the value of RateLimit-Policy: "key";q=60;w=60.
func (d Decision) AppendPolicy(b []byte) []byte {
	b = d.appendName(b)
	b = append(b, ";q="...)
	b = strconv.AppendInt(b, int64(max(0, d.Bucket.Rate.Count)), 10)
	b = append(b, ";w="...)
	return strconv.AppendInt(b, seconds(d.Bucket.Rate.Per), 10)
}

// AppendLimit appends the value of RateLimit: "key";r=12;t=30. The window of a
// refusal ends where Retry-After points: that must not be earlier. §6.4
func (d Decision) AppendLimit(b []byte) []byte {
	remaining, window := d.Remaining, d.Reset
	if !d.OK {
		remaining, window = 0, d.RetryAfter
	}
	b = d.appendName(b)
	b = append(b, ";r="...)
	b = strconv.AppendInt(b, int64(remaining), 10)
	b = append(b, ";t="...)
	return strconv.AppendInt(b, seconds(window), 10)
}

// appendName appends the policy's name, a String. RFC 9651 §4.1.6
func (d Decision) appendName(b []byte) []byte {
	b = append(b, '"')
	b = append(b, d.Bucket.Kind.String()...)
	return append(b, '"')
}

// seconds are whole ones, rounded up: who comes back a moment too early is
// refused again. At least one.
func seconds(d time.Duration) int64 { return max(1, int64((d+time.Second-1)/time.Second)) }
