package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// smallDisk mounts a file system of a few pages on a directory.
func smallDisk(t *testing.T, dir, size string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root, who can mount a small disk")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		missing(t, "a small disk: "+err.Error())
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// fill leaves no room on a disk, and returns what makes room again.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.OpenFile(ballast, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for n := 1 << 16; n > 0; {
		if _, err = f.Write(make([]byte, n)); err != nil {
			n /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v, want a full disk", err)
	}
	_ = f.Close()
	return func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
}

// TestA171TrailOnAFullDisk fills the disk of the trail: refusals, calls, streams
// and changes fail closed and say why; it goes on by itself when there is room.
func TestA171TrailOnAFullDisk(t *testing.T) {
	t.Parallel()
	for _, strict := range []string{"true", "false"} {
		t.Run("strict "+strict, func(t *testing.T) {
			t.Parallel()
			trailOnAFullDisk(t, strict)
		})
	}
}

func trailOnAFullDisk(t *testing.T, strict string) {
	up := newDouble(t, nil)
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	small := filepath.Join(p.dir, "small")
	smallDisk(t, small, "256k")
	p.configure(t, plain(up, "AUDIT", "file: DIR/small/audit.jsonl, strict: "+strict))
	p.launch(t)
	id, key := p.key("--name", "k")
	p.lives(t, key)
	free := fill(t, small)
	c := p.client()
	full := func() bool {
		p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...) // told each, where refusals that are alike are counted
		return p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key[:20])...).status == http.StatusServiceUnavailable
	}
	eventually(t, "the disk is found full", full)
	before := up.count()
	refusesUnwritten(t, p, key)
	if n := up.count() - before; n != 0 {
		t.Errorf("got %d requests at the server, want none", n)
	}
	changesNothing(t, p, id)
	saysWhatIsFull(t, p)
	free()
	eventually(t, "it goes on", func() bool {
		return p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...).status == http.StatusOK
	})
	p.run("key", "revoke", id, "--yes")
	if text := p.operators(t, "/-/ready"); !strings.Contains(text, `"ok"`) {
		t.Errorf("got %s, want ready", text)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(small, "audit.jsonl"))
	if err != nil || !strings.Contains(string(text), "audit.gap") || !strings.HasSuffix(string(text), "}\n") {
		t.Errorf("got %v, want a gap in the trail that is told, and whole lines", err)
	}
}

// refusesUnwritten asks for everything while nothing can be written down.
func refusesUnwritten(t *testing.T, p *production, key string) {
	t.Helper()
	c := p.client()
	for name, ask := range map[string]func() got{
		"a call": func() got { return p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...) },
		"a tool call": func() got {
			return p.ask(c, "POST", "https://mcp.test/mcp", toolCall("x", `{}`), toolHeaders(key, "x")...)
		},
		"a stream": func() got {
			return p.ask(c, "GET", "https://mcp.test/mcp", "", "Authorization: Bearer "+key, "Accept: text/event-stream")
		},
		"a stream of the older door": func() got {
			return p.ask(c, "GET", "https://mcp.test/sse", "", "Authorization: Bearer "+key, "Accept: text/event-stream")
		},
		"no credential": func() got { return p.ask(c, "POST", "https://mcp.test/mcp", toolsList) },
		"a wrong one":   func() got { return p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key[:30])...) },
		"a path":        func() got { return p.ask(c, "POST", "https://mcp.test/x", toolsList, modern(key)...) },
	} {
		if got := ask(); got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GH-1903") || strings.Contains(got.body, "no space") {
			t.Errorf("%s: got %d %s, want 503 GH-1903", name, got.status, got.body)
		}
	}
}

// changesNothing tries every kind of change while nothing can be written down.
func changesNothing(t *testing.T, p *production, id string) {
	t.Helper()
	for _, args := range [][]string{{"key", "create", "--name", "x"}, {"key", "revoke", id, "--yes"}, {"key", "rotate", id}, {"tenant", "create", "x"}, {"config", "reload"}} {
		if out := p.fails(t, append(args, "-c", p.file)...); !strings.Contains(out, "GH-1903") || !strings.Contains(out, "no space left") {
			t.Errorf("%v: got %s, want GH-1903 and why", args, out)
		}
	}
}

// saysWhatIsFull wants operators to be told wherever they look.
func saysWhatIsFull(t *testing.T, p *production) {
	t.Helper()
	if text := p.operators(t, "/-/ready"); !strings.Contains(text, "unready") || !strings.Contains(text, "audit") || !strings.Contains(text, "no space left") {
		t.Errorf("got %s, want unready and why", text)
	}
	if text := p.operators(t, "/-/live"); !strings.Contains(text, "ok") {
		t.Errorf("got %s, want a process that lives", text)
	}
	if n := p.metrics(t)["gatehouse_audit_unwritable"]; n != 1 {
		t.Errorf("got gatehouse_audit_unwritable %v, want 1", n)
	}
	if out := p.fails(t, "status", "-c", p.file); !strings.Contains(out, "audit") {
		t.Errorf("got %s, want the status to say so", out)
	}
}

// TestA211StoreOnAFullDisk fills the disk of the store: who has a key goes on,
// nothing is promised that could not be kept, and it mends by itself.
func TestA211StoreOnAFullDisk(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	state := filepath.Join(p.dir, "state")
	smallDisk(t, state, "4m")
	p.configure(t, plain(up, "AUDIT", "file: DIR/audit.jsonl"))
	p.launch(t)
	id, key := p.key("--name", "k")
	cold, coldKey := p.key("--name", "cold") // never asked for before
	p.lives(t, key)
	free := fill(t, state)
	door := p.door(t)
	var made []*adminapi.Key
	var failure error
	for range 500 { // the log of the store may have room for some
		k, err := door.CreateKey(t.Context(), adminapi.NewKey{Name: "one more"})
		if failure = err; err != nil {
			break
		}
		made = append(made, k)
	}
	var e *adminapi.Error
	if !errors.As(failure, &e) || e.Code != "GH-1902" && e.Code != "GH-1903" || e.Status != http.StatusServiceUnavailable {
		t.Errorf("got %v, want 503", failure)
	}
	if _, err := door.RevokeKey(t.Context(), cold, adminapi.Revoke{}); err == nil {
		t.Error("a revocation was acknowledged that has nowhere to be")
	}
	for name, k := range map[string]string{"a key in use": key, "a key that was not in use": coldKey} {
		if got := p.ask(p.client(alone), "POST", "https://mcp.test/mcp", toolsList, modern(k)...); got.status != http.StatusOK {
			t.Errorf("%s: got %d %s, want 200", name, got.status, got.body)
		}
	}
	free()
	p.run("key", "revoke", id, "--yes")
	p.kill(t)
	p.launch(t)
	for i, k := range append(made, &adminapi.Key{Key: coldKey}) {
		if got := p.ask(p.client(alone), "POST", "https://mcp.test/mcp", toolsList, modern(k.Key)...); got.status != http.StatusOK {
			t.Errorf("key %d of %d: got %d, want what was acknowledged", i, len(made), got.status)
			break
		}
	}
	if got := p.ask(p.client(alone), "POST", "https://mcp.test/mcp", toolsList, modern(key)...); got.status != http.StatusUnauthorized {
		t.Errorf("got %d for the key that was revoked, want 401", got.status)
	}
}
