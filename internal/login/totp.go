package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what authenticators speak; HMAC-SHA-1 is not broken. RFC 6238 §1.2
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What every authenticator can do. RFC 6238 §4, §5.2
const (
	totpStep   = 30 // seconds
	totpDigits = 6
	totpDrift  = 1  // steps that a clock may be off, either way
	totpSecret = 20 // bytes. RFC 4226 §4
)

// oneTime is the secret that an authenticator shares with us.
type oneTime []byte

func newOneTime() oneTime {
	secret := make(oneTime, totpSecret)
	rand.Read(secret) // never fails: the program ends instead
	return secret
}

// at returns the code of a step. RFC 4226 §5.3
func (o oneTime) at(step int64) string {
	mac := hmac.New(sha1.New, o)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0x0f
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, n%1_000_000)
}

// step returns the step around now that a code is of. The code may be used if no
// code of this step or a later one was: that is for the store to say.
func (o oneTime) step(code string, now time.Time) (step int64, ok bool) {
	current := now.Unix() / totpStep
	for d := int64(-totpDrift); d <= totpDrift; d++ {
		if subtle.ConstantTimeCompare([]byte(o.at(current+d)), []byte(code)) == 1 {
			step, ok = current+d, true
		}
	}
	return step, ok
}

// text is the secret as people type it, in groups of four.
func (o oneTime) text() string {
	return grouped(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(o))
}

// url is the secret as authenticators read it. Key Uri Format, google-authenticator wiki
func (o oneTime) url(issuer, account string) string {
	q := url.Values{
		"secret": {base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(o)}, "issuer": {issuer},
		"algorithm": {"SHA1"}, "digits": {fmt.Sprint(totpDigits)}, "period": {fmt.Sprint(totpStep)},
	}
	label := strings.ReplaceAll(issuer, ":", " ") + ":" + account
	return "otpauth://totp/" + url.PathEscape(label) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// grouped has a blank after every four characters.
func grouped(text string) string {
	var b strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// digits are what is left of a code without what people put between digits.
func digits(code string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, code)
}
