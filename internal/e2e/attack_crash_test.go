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
	t.Parallel()
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
	n := times(20, 1000)
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
		next := revokesAndRotates(t, door, keys[0].ID, keys[1].ID, cycle%2)
		var half *adminapi.Key
		var under sync.WaitGroup
		under.Go(func() {
			half, _ = door.RotateKey(context.WithoutCancel(ctx), keys[2].ID, adminapi.Rotate{Overlap: "0s"})
		})
		time.Sleep(time.Duration(cycle/2%10) * 500 * time.Microsecond)
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

// revokesAndRotates revokes one key and rotates another; which of the two comes
// last, right before the kill, is up to the caller.
func revokesAndRotates(t *testing.T, door *adminapi.Client, revoked, rotated string, first int) (next *adminapi.Key) {
	t.Helper()
	changes := []func() error{
		func() error {
			_, err := door.RevokeKey(t.Context(), revoked, adminapi.Revoke{Reason: "test"})
			return err
		},
		func() (err error) {
			next, err = door.RotateKey(t.Context(), rotated, adminapi.Rotate{Overlap: "0s"})
			return err
		},
	}
	for i := range changes {
		if err := changes[(first+i)%2](); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// TestA172NothingIsExecutedUnlogged kills the real program under load while
// audit.strict is on: what the server behind has executed is in the trail.
func TestA172NothingIsExecutedUnlogged(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	executed := map[string]bool{}
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		executed[r.Header.Get("X-Request-Id")] = r.Header.Get("Mcp-Method") == "tools/call"
		mu.Unlock()
		answerJSON(w, `{"content":[]}`)
	})
	calls := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, call := range executed {
			if call {
				n++
			}
		}
		return n
	}
	p := serve(t, plain(up, "AUDIT", "strict: true"))
	_, key := p.key("--name", "k")
	for cycle := range times(8, 200) {
		var over atomic.Bool
		var load sync.WaitGroup
		for range 8 {
			load.Go(func() { p.callsUntil(t, &over, key) })
		}
		before := calls()
		eventually(t, "there is load", func() bool { return calls() >= before+20 })
		time.Sleep(time.Duration(11*(cycle%8)) * time.Millisecond)
		p.kill(t)
		over.Store(true)
		load.Wait()
		p.launch(t)
	}
	p.lives(t, key)
	intents := map[string]int{}
	for _, e := range p.trail() { // which reads every line: one that was torn says so
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

// callsUntil calls a tool without a pause, whatever becomes of it.
func (p *production) callsUntil(t *testing.T, over *atomic.Bool, key string) {
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
}

// TestA210DatabaseThatIsBroken starts the real program over stores that are damaged.
func TestA210DatabaseThatIsBroken(t *testing.T) {
	t.Parallel()
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
	noRace(t, string(out))
	return string(out), err == nil
}
