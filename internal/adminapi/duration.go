package adminapi

import (
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

// Lifetimes when nobody says otherwise.
const (
	DefaultLifetime = 90 * 24 * time.Hour
	DefaultOverlap  = 24 * time.Hour
	// maxDuration is how far ahead an end may be.
	maxDuration = 100 * 366 * 24 * time.Hour
)

// ParseExpiry reads when a key ends: "90d", "12h", "never", "2027-02-21" (the
// end of that day, UTC) or an RFC 3339 time. The zero time is never. A moment
// that is not after now is an error.
func ParseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "never" {
		return time.Time{}, nil
	}
	end, err := expiry(text, now)
	if err != nil {
		return time.Time{}, err
	}
	if !end.After(now) {
		return time.Time{}, fmt.Errorf("expiry %s is in the past; to end a key now, revoke it", end.Format(time.RFC3339))
	}
	if end.After(now.Add(maxDuration)) {
		return time.Time{}, fmt.Errorf("expiry %q is more than 100 years away; say never", text)
	}
	return end, nil
}

func expiry(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.UTC().AddDate(0, 0, 1), nil
	}
	d, err := ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("expiry %.40q is none of 90d, 12h, never, 2027-02-21 or 2027-02-21T12:00:00Z", text)
	}
	return now.Add(d).UTC().Truncate(time.Second), nil
}

// ParseDuration is [unit.ParseDuration].
func ParseDuration(text string) (time.Duration, error) { return unit.ParseDuration(text) }
