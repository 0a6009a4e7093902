//go:build unix

package process

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestAsk(t *testing.T) {
	environ := append(os.Environ(), "CANARY=gatehouse-canary")
	tests := []struct {
		name    string
		command []string
		want    string
		err     string
	}{
		{"an answer", []string{"printf", "%s\n", "a b"}, "a b\n", ""},
		{"words that a shell would take apart", []string{"printf", "%s", "$HOME;`id`"}, "$HOME;`id`", ""},
		{"a failure", []string{"sh", "-c", "echo secret-canary >&2; exit 3"}, "", "it exited with 3"},
		{"no such program", []string{"gatehouse-no-such-program"}, "", "program not found"},
		{"too much", []string{"sh", "-c", "head -c 70000 /dev/zero"}, "", "more than 64 KiB"},
		{"our environment", []string{"sh", "-c", "printf %s \"$CANARY\""}, "", ""},
		{"standard input", []string{"cat"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Ask(tt.command, environ)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got error %v, want %q", err, tt.err)
			}
			if string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error repeats what the program said: %v", err)
			}
		})
	}
}

func TestAskEndsWhoTakesTooLong(t *testing.T) {
	began := time.Now()
	_, err := ask([]string{"sh", "-c", "sleep 60 & sleep 60"}, os.Environ(), 50*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "took longer") {
		t.Errorf("got %v, want a time-out", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}
