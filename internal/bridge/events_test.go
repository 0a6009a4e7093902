package bridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAStreamThatEndsBeforeTheRequestIsToldOf: there will be no answer, so nothing is sent and nobody waits.
func TestAStreamThatEndsBeforeTheRequestIsToldOf(t *testing.T) {
	posted := false
	at := served(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { posted = true }))
	b := &Bridge{Server: at, Access: open{}, Out: io.Discard, Log: slog.New(slog.DiscardHandler)}
	b.remote = newRemote(b, t.Context())
	s := &eventServer{r: b.remote, endpoint: at, waits: map[string]*expected{}}
	b.remote.mode, b.remote.sse = events, s // with no initialize to begin anew with
	s.end(errStreamEnded)
	m, err := readMessage([]byte(strings.ReplaceAll(callLine, "%d", "1")))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	nobody := func([]byte) bool { return true }
	for name, ask := range map[string]func() error{
		"a request":  func() error { return s.request(ctx, m, nobody, true) },
		"initialize": func() error { return s.begin(ctx, m) },
	} {
		if err := ask(); !errors.Is(err, errUnsent) || posted {
			t.Errorf("%s: got %v, posted: %t", name, err, posted)
		}
	}
}
