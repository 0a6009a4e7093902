// Package unit reads and writes the quantities that people configure: rates,
// sizes and durations.
package unit

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is so many of something in so much time. The zero value is no limit.
type Rate struct {
	Count int           // how many in a period; also how many at once, after a pause
	Per   time.Duration // the period
}

// maxCount keeps arithmetic on rates far from overflow.
const maxCount = 1_000_000_000

var periods = []struct {
	name   string
	length time.Duration
}{{"s", time.Second}, {"min", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}

// ParseRate reads "60/min", "10/s", "1000/h", "5/d" or "off", which is the zero Rate.
func ParseRate(text string) (Rate, error) {
	if text == "off" {
		return Rate{}, nil
	}
	count, period, ok := strings.Cut(text, "/")
	if n, err := strconv.Atoi(count); ok && err == nil && n > 0 && n <= maxCount {
		for _, p := range periods {
			if period == p.name {
				return Rate{Count: n, Per: p.length}, nil
			}
		}
	}
	return Rate{}, fmt.Errorf("%.40q is no rate like 10/s, 60/min, 1000/h, 5/d or off", text)
}

// Zero says whether there is no limit.
func (r Rate) Zero() bool { return r.Count == 0 }

// String is what ParseRate reads.
func (r Rate) String() string {
	if r.Zero() {
		return "off"
	}
	for _, p := range periods {
		if r.Per == p.length {
			return strconv.Itoa(r.Count) + "/" + p.name
		}
	}
	return strconv.Itoa(r.Count) + "/" + r.Per.String()
}

var sizes = []struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}

// ParseBytes reads "512KiB", "4MiB", "2GiB" or a plain number of bytes.
func ParseBytes(text string) (int64, error) {
	for _, u := range sizes {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.size {
			break
		}
		return n * u.size, nil
	}
	return 0, fmt.Errorf("%.40q is no size like 512KiB, 4MiB, 2GiB or a number of bytes", text)
}

// FormatBytes is what ParseBytes reads, in the largest unit that is exact.
func FormatBytes(n int64) string {
	for _, u := range sizes {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// maxDuration keeps sums far from overflow and years within four digits.
const maxDuration = 100 * 366 * 24 * time.Hour

// ParseDuration reads a Go duration such as "90m", or days and weeks: "7d", "2w".
// Negative ones and such above 100 years are errors.
func ParseDuration(text string) (time.Duration, error) {
	d, err := duration(text)
	if err != nil || d < 0 || d > maxDuration {
		return 0, fmt.Errorf("duration %.40q is none of 30m, 24h, 7d or 2w", text)
	}
	return d, nil
}

func duration(text string) (time.Duration, error) {
	for unit, length := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if number, ok := strings.CutSuffix(text, unit); ok {
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || n > int64(maxDuration/length) {
				return -1, err
			}
			return time.Duration(n) * length, nil
		}
	}
	return time.ParseDuration(text)
}

// FormatSeconds writes a number of seconds as [FormatDuration] does, for those who
// have no clock.
func FormatSeconds(n int64) string { return FormatDuration(time.Duration(n) * time.Second) }

// FormatDuration is what ParseDuration reads, as short as it is exact.
func FormatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > 0 && d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d > 0 && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d > 0 && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return d.String()
}
