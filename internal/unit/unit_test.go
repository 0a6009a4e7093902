package unit

import (
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	tests := []struct {
		text string
		want Rate
		ok   bool
	}{
		{"60/min", Rate{60, time.Minute}, true},
		{"10/s", Rate{10, time.Second}, true},
		{"1/d", Rate{1, 24 * time.Hour}, true},
		{"1000000000/h", Rate{1_000_000_000, time.Hour}, true},
		{"off", Rate{}, true},
		{"0/min", Rate{}, false},
		{"-1/min", Rate{}, false},
		{"1000000001/h", Rate{}, false},
		{"60", Rate{}, false},
		{"60/", Rate{}, false},
		{"60/minute", Rate{}, false},
		{"6 0/min", Rate{}, false},
		{"", Rate{}, false},
	}
	for _, tt := range tests {
		got, err := ParseRate(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseRate(%q): got %v, %v, want %v, accepted=%v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseBytes(t *testing.T) {
	tests := []struct {
		text string
		want int64
		ok   bool
	}{
		{"4MiB", 4 << 20, true},
		{"512 KiB", 512 << 10, true},
		{"100", 100, true},
		{"0", 0, true},
		{"9223372036854775807", 1<<63 - 1, true},
		{"9223372036854775807GiB", 0, false},
		{"-1", 0, false},
		{"4MB", 0, false},
		{"", 0, false},
	}
	for _, tt := range tests {
		got, err := ParseBytes(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseBytes(%q): got %d, %v, want %d, accepted=%v", tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 168 * time.Hour, "2w": 336 * time.Hour, "90m": 90 * time.Minute, "0": 0} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("ParseDuration(%q): got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1h", "d", "1.5d", "99999999999d", "1000000h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q): got %v, want an error", text, got)
		}
	}
}

// FuzzText: what is accepted is written so that it is read back the same.
func FuzzText(f *testing.F) {
	for _, s := range []string{"60/min", "off", "4MiB", "7d", "90m", "1h30m", "0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRate(s); err == nil {
			if again, err := ParseRate(r.String()); err != nil || again != r {
				t.Errorf("rate %q: got %v, %v, want %v", s, again, err, r)
			}
		}
		if n, err := ParseBytes(s); err == nil {
			if again, err := ParseBytes(FormatBytes(n)); err != nil || again != n {
				t.Errorf("bytes %q: got %d, %v, want %d", s, again, err, n)
			}
		}
		if d, err := ParseDuration(s); err == nil {
			if again, err := ParseDuration(FormatDuration(d)); err != nil || again != d {
				t.Errorf("duration %q: got %v, %v, want %v", s, again, err, d)
			}
		}
	})
}
