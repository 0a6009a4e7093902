//go:build unix

package gatehouse_test

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestAPipeIsNotWaitedFor(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys.json")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := (&gatehouse.RemoteKeys{File: name}).Keys(ctx, "k1", "ES256")
	var e *gatehouse.Error
	if !errors.As(err, &e) || e.Code != "GH-1111" {
		t.Errorf("got %v, want GH-1111", err)
	}
}
