package gatehouse

import (
	"math"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// lastSecond is the end of the year 9999, in seconds since 1970.
const lastSecond = 253402300799

// times is when a token holds, in seconds since 1970. RFC 7519 §4.1.4–6
type times struct {
	exp, nbf, iat float64 // exp is there; nbf and iat are NaN if not
}

// readTimes reads the times of a token. One without exp ends at end; NaN: it is refused. What is no number, or no time, is refused
// whatever it would mean. RFC 7519 §2, NumericDate
func readTimes(claims *jws.Object, end float64) (times, error) {
	t := times{exp: end, nbf: math.NaN(), iat: math.NaN()}
	for _, m := range [...]struct {
		name string
		to   *float64
	}{{"exp", &t.exp}, {"nbf", &t.nbf}, {"iat", &t.iat}} {
		v, there := claims.Get(m.name)
		if !there {
			if math.IsNaN(*m.to) && m.name == "exp" {
				return times{}, refuse("GH-1109", "The token has no end.", `the token has no "exp": it would never expire`)
			}
			continue
		}
		at, ok := jws.Number(v)
		if !ok || at < 0 || at > lastSecond {
			return times{}, refuse("GH-1109", "The token's times are wrong.", "%q of the token is not a time: %s", m.name, cut(string(v)))
		}
		*m.to = at
	}
	return t, nil
}

// judge reports why a token does not hold now.
func (t *times) judge(now time.Time, leeway, maxLife time.Duration) error {
	at, skew := seconds(now), leeway.Seconds()
	switch {
	case at >= t.exp+skew: // RFC 7519 §4.1.4: on or after
		return refuse("GH-1109", "The token has expired.", "expired %s ago (exp %s, our clock %s, skew allowed %s)",
			span(at-t.exp), clock(t.exp), clock(at), leeway)
	case at < t.nbf-skew: // false for NaN
		return refuse("GH-1109", "The token is not valid yet.", "valid in %s (nbf %s, our clock %s, skew allowed %s). "+
			"Clocks differ: the issuer's or this host's may not be synchronised", span(t.nbf-at), clock(t.nbf), clock(at), leeway)
	case at < t.iat-skew:
		return refuse("GH-1109", "The token is not valid yet.", "issued %s from now (iat %s, our clock %s, skew allowed %s). "+
			"Clocks differ: the issuer's or this host's may not be synchronised", span(t.iat-at), clock(t.iat), clock(at), leeway)
	}
	from := t.iat
	if math.IsNaN(from) {
		from = at
	}
	if t.exp-from > maxLife.Seconds() {
		return refuse("GH-1109", "The token is valid for too long.", "the token lives for %s, and at most %s is accepted (MaxLife)",
			span(t.exp-from), span(maxLife.Seconds()))
	}
	return nil
}

func seconds(t time.Time) float64 {
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9
}

// instant returns a time that was read, whole seconds; zero for none.
func instant(at float64) time.Time {
	if math.IsNaN(at) {
		return time.Time{}
	}
	return time.Unix(int64(at), 0).UTC()
}

func clock(at float64) string { return instant(at).Format("2006-01-02T15:04:05Z") }

// span writes a length of time for people.
func span(s float64) string {
	const day = 24 * time.Hour
	switch d := time.Duration(min(s, 1e9) * float64(time.Second)); {
	case d >= 2*day:
		return plural(int(d/day), "day")
	case d >= 2*time.Hour:
		return plural(int(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return plural(int(d/time.Minute), "minute")
	default:
		return d.Round(time.Second).String()
	}
}
