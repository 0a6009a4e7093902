package ratelimit

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

func TestHeadersOfADecision(t *testing.T) {
	tests := []struct {
		name                 string
		d                    Decision
		policy, limit, after string
	}{
		{"a call that passed", Decision{OK: true, Bucket: key("ci", rate(60, time.Minute)), Remaining: 12, Reset: 29*time.Second + 1}, `"key";q=60;w=60`, `"key";r=12;t=30`, ""},
		{"nothing spent yet", Decision{OK: true, Bucket: Bucket{Kind: KindTenant, Rate: rate(5, 24*time.Hour)}, Remaining: 5}, `"tenant";q=5;w=86400`, `"tenant";r=5;t=1`, ""},
		{"a refusal", Decision{Bucket: Bucket{Kind: KindAddress, Rate: rate(10, time.Second)}, Reset: time.Second, RetryAfter: 1}, `"address";q=10;w=1`, `"address";r=0;t=1`, "1"},
		{"a long wait", Decision{Bucket: Bucket{Kind: KindTool, Rate: rate(1, time.Hour)}, Remaining: 3, Reset: time.Hour, RetryAfter: 59*time.Minute + 1}, `"tool";q=1;w=3600`, `"tool";r=0;t=3541`, "3541"},
		{"a ban", Decision{RetryAfter: 90*time.Second + 1}, "", "", "91"},
		{"no limit", Decision{OK: true}, "", "", ""},
		{"a rate that is none", Decision{Bucket: key("a", unit.Rate{Count: -1}), RetryAfter: time.Second}, `"key";q=0;w=1`, `"key";r=0;t=1`, "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			tt.d.Header(h)
			for name, want := range map[string]string{"RateLimit-Policy": tt.policy, "RateLimit": tt.limit, "Retry-After": tt.after} {
				if got := h.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// A String of RFC 9651 §3.3.3 and parameters that are Integers, §3.3.1.
var item = regexp.MustCompile(`^"[ !#-\[\]-~]*"(;[a-z]+=\d{1,15})+$`)

func TestHeadersAreStructuredFields(t *testing.T) {
	w := &watch{}
	l := limiter(w)
	for k := range Kind(kinds) {
		for _, r := range []unit.Rate{rate(1_000_000_000, time.Second), rate(1, 24*time.Hour), rate(3, 1<<62)} {
			for range 5 {
				h := http.Header{}
				l.Take(Bucket{Kind: k, Key: "x", Rate: r}).Header(h)
				for _, name := range []string{"RateLimit-Policy", "RateLimit"} {
					if v := h.Get(name); !item.MatchString(v) || strings.Contains(v, "-") {
						t.Errorf("%s: %s is not an Item", name, v)
					}
				}
			}
		}
	}
}
