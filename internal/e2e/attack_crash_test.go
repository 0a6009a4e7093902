package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
)

// plainly is a configuration without limits in the way.
const plainly = `version: 1
server:
  public_url: https://mcp.test
  listen: 127.0.0.1:0
  shutdown_grace: GRACE
  tls: {files: {cert: DIR/cert.pem, key: DIR/key.pem}}
servers:
  - {name: front, path: /mcp, sse: /sse, url: "UPSTREAM/mcp"}
auth: {api_keys: {}}
policy: {default: allow}
limits: {per_key: off, failed_auth: {per_ip: 1000000/min, ban: 1m}}
store: {sqlite: DIR/state/gatehouse.db}
admin: {listen: 127.0.0.1:0}
audit: {AUDIT}
`

// plain fills plainly in.
func plain(up *double, edits ...string) string {
	edits = append(edits, "UPSTREAM", up.URL, "GRACE", "10s", "AUDIT", "strict: false")
	return strings.NewReplacer(edits...).Replace(plainly)
}

// kill ends the program as a power cut would, but for the kernel.
func (p *production) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.done
	p.done <- errors.New("killed")
}

// door reaches the private socket.
func (p *production) door(t testing.TB) *adminapi.Client {
	t.Helper()
	way, err := adminapi.Dial(t.Context(), filepath.Join(p.dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	return &adminapi.Client{Transport: way}
}

// TestA206AcknowledgedChangesSurviveTheKillOfTheServer kills the real program
// right after it said that a key was revoked and another rotated, and in the
// midst of a third change, which must then have happened or not.
func TestA206AcknowledgedChangesSurviveTheKillOfTheServer(t *testing.T) {
	up := newDouble(t, nil)
	p := serve(t, plain(up))
	accepted := func(key string) bool {
		got := p.ask(p.client(alone), "POST", "https://mcp.test/mcp", toolsList, modern(key)...)
		if got.status != http.StatusOK && got.status != http.StatusUnauthorized {
			t.Fatalf("got %d %s, want 200 or 401", got.status, got.body)
		}
		return got.status == http.StatusOK
	}
	began := time.Now()
	n := times(50, 1000)
	for cycle := range n {
		door, ctx := p.door(t), t.Context()
		var keys [4]*adminapi.Key
		for i := range keys {
			var err error
			if keys[i], err = door.CreateKey(ctx, adminapi.NewKey{Name: fmt.Sprintf("k%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
		if cycle%10 == 0 && !accepted(keys[0].Key) { // it is known, and cached
			t.Fatal("a new key is refused")
		}
		_, err1 := door.RevokeKey(ctx, keys[0].ID, adminapi.Revoke{Reason: "test"})
		next, err2 := door.RotateKey(ctx, keys[1].ID, adminapi.Rotate{Overlap: "0s"})
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		var half *adminapi.Key
		var under sync.WaitGroup
		under.Go(func() {
			half, _ = door.RotateKey(context.WithoutCancel(ctx), keys[2].ID, adminapi.Rotate{Overlap: "0s"})
		})
		time.Sleep(time.Duration(cycle%10) * 500 * time.Microsecond)
		p.kill(t)
		under.Wait()
		p.launch(t)
		if accepted(keys[0].Key) {
			t.Fatalf("cycle %d: a key that was revoked works again", cycle)
		}
		if accepted(keys[1].Key) || !accepted(next.Key) {
			t.Fatalf("cycle %d: want the successor alone to work", cycle)
		}
		if half != nil && (accepted(keys[2].Key) || !accepted(half.Key)) {
			t.Fatalf("cycle %d: want the successor that was acknowledged to work", cycle)
		}
		k, err := p.door(t).Key(ctx, keys[2].ID)
		if err != nil || half == nil && (k.State == "active") != accepted(keys[2].Key) {
			t.Fatalf("cycle %d: got %v, %v for a rotation that was under way, want all of it or nothing", cycle, k, err)
		}
		if !accepted(keys[3].Key) {
			t.Fatalf("cycle %d: a key that nobody touched is refused", cycle)
		}
	}
	t.Logf("%d kills, %s each", n, time.Since(began)/time.Duration(n))
}

// TestA172NothingIsExecutedUnlogged kills the real program under load while
// audit.strict is on: what the server behind has executed is in the trail.
func TestA172NothingIsExecutedUnlogged(t *testing.T) {
	var mu sync.Mutex
	executed := map[string]bool{}
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		executed[r.Header.Get("X-Request-Id")] = r.Header.Get("Mcp-Method") == "tools/call"
		mu.Unlock()
		answerJSON(w, `{"content":[]}`)
	})
	p := serve(t, plain(up, "AUDIT", "strict: true"))
	_, key := p.key("--name", "k")
	for cycle := range times(8, 200) {
		var over atomic.Bool
		var load sync.WaitGroup
		for range 8 {
			load.Go(func() {
				c := p.client()
				for !over.Load() {
					q, _ := http.NewRequestWithContext(t.Context(), "POST", "https://mcp.test/mcp", strings.NewReader(toolCall("x", `{"a":1}`)))
					q.Header.Set("Content-Type", "application/json")
					q.Header.Set("Accept", "application/json, text/event-stream")
					for _, h := range toolHeaders(key, "x") {
						name, value, _ := strings.Cut(h, ": ")
						q.Header.Set(name, value)
					}
					if res, err := c.Do(q); err == nil {
						_ = res.Body.Close()
					}
				}
			})
		}
		time.Sleep(time.Duration(100+37*(cycle%8)) * time.Millisecond)
		p.kill(t)
		over.Store(true)
		load.Wait()
		p.launch(t)
	}
	p.lives(t, key)
	intents := map[string]int{}
	for _, e := range p.trail() { // which reads every line: none is torn
		if e["phase"] == "intent" && e["method"] == "tools/call" {
			intents[fmt.Sprint(e["request"])]++
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for id, call := range executed {
		if call && intents[id] != 1 {
			t.Errorf("request %s was executed and has %d intents in the trail, want 1", id, intents[id])
		}
	}
	if len(executed) < 100 {
		t.Errorf("got only %d calls executed", len(executed))
	}
	t.Logf("%d calls executed, %d intents", len(executed), len(intents))
}

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
	for _, strict := range []string{"true", "false"} {
		t.Run("strict "+strict, func(t *testing.T) {
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
			if n := up.count() - before; n != 0 {
				t.Errorf("got %d requests at the server, want none", n)
			}
			for _, args := range [][]string{{"key", "create", "--name", "x"}, {"key", "revoke", id, "--yes"}, {"key", "rotate", id}, {"tenant", "create", "x"}, {"config", "reload"}} {
				if out := p.fails(t, append(args, "-c", p.file)...); !strings.Contains(out, "GH-1903") || !strings.Contains(out, "no space left") {
					t.Errorf("%v: got %s, want GH-1903 and why", args, out)
				}
			}
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
		})
	}
}

// TestA211StoreOnAFullDisk fills the disk of the store: who has a key goes on,
// nothing is promised that could not be kept, and it mends by itself.
func TestA211StoreOnAFullDisk(t *testing.T) {
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

// TestA210DatabaseThatIsBroken starts the real program over stores that are damaged.
func TestA210DatabaseThatIsBroken(t *testing.T) {
	up := newDouble(t, nil)
	p := serve(t, plain(up))
	for range 20 {
		p.key("--name", "k")
	}
	if out := p.fails(t, "serve", "-c", p.file); !strings.Contains(out, "GH-") {
		t.Errorf("got %s for a second process over one state, want a refusal", out)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(p.dir, "state", "gatehouse.db")
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"no database":    func(b []byte) []byte { return []byte(strings.Repeat("x", len(b))) },
		"a page of ones": func(b []byte) []byte { copy(b[4096:], strings.Repeat("\xff", 4096)); return b },
		"half of it":     func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
	} {
		if err := os.WriteFile(path, damage(append([]byte(nil), sound...)), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(gatehouseBinary(t), "serve", "-c", p.file)
		out, ok := ends(t, cmd)
		if ok || !strings.Contains(out, "GH-") || strings.Contains(out, "panic") {
			t.Errorf("%s: got %s, want it refused with a code", name, out)
		}
	}
	if err := os.WriteFile(path, sound, 0o600); err != nil {
		t.Fatal(err)
	}
	p.launch(t)
}

// ends runs a program that has to end by itself, and says whether with 0.
func ends(t *testing.T, cmd *exec.Cmd) (text string, ok bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	bounded := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	out, err := bounded.CombinedOutput()
	if ctx.Err() != nil {
		t.Errorf("%v does not end", cmd.Args)
	}
	return string(out), err == nil
}
