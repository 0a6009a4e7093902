package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const secretInFile = "reload-canary-0123456789-0123456789-0123"

// withSecret is a configuration that reads a file with a secret.
func withSecret(up *double) string {
	return strings.Replace(plain(up), "auth: {api_keys: {}}", `auth: {api_keys: {pepper: "${file:DIR/pepper}"}}`, 1)
}

// TestA215BrokenReloads breaks the configuration of a running server in every
// way: the old one stays in force, and everybody who asks is told so.
func TestA215BrokenReloads(t *testing.T) {
	up := newDouble(t, nil)
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	pepper := filepath.Join(p.dir, "pepper")
	write(t, pepper, secretInFile)
	good := withSecret(up)
	p.configure(t, good)
	p.launch(t)
	_, key := p.key("--name", "k")
	p.lives(t, key)
	hash := "configuration " + p.Config
	edit := func(old, fresh string) func() {
		return func() { p.configure(t, strings.Replace(good, old, fresh, 1)) }
	}
	for _, tt := range []struct {
		name   string
		breaks func()
		mends  func()
		says   string
	}{
		{"a syntax error", edit("policy: {default: allow}", "policy: {default: allow"), nil, "must be specified"},
		{"half of it", func() { p.configure(t, good[:len(good)/2]) }, nil, "lets nobody in"},
		{"an unknown key", edit("policy: {default: allow}", "policy: {default: allow, defualt: deny}"), nil, "defualt"},
		{"a literal secret", edit("${file:DIR/pepper}", secretInFile), nil, "is a secret"},
		{"nothing", func() { p.configure(t, "") }, nil, "is empty"},
		{"white space", func() { p.configure(t, "\n\n# nothing\n") }, nil, "is empty"},
		{"binary", func() { p.configure(t, "\x00\xff\xfe"+good) }, nil, "holds a NUL"},
		{"no file", func() { _ = os.Remove(p.file) }, nil, "cannot be read"},
		{"nobody is asked who they are", edit(`auth: {api_keys: {pepper: "${file:DIR/pepper}"}}`, "auth: {api_keys: {enabled: false}}"), nil, "lets nobody in"},
		{"what cannot change", edit("gatehouse.db", "other.db"), nil, "Restart it for that"},
		{"an upstream that is no URL", edit("url: \"http", "url: \"ftp"), nil, "needs to begin with"},
		{"no secret file", func() { _ = os.Rename(pepper, pepper+".away") }, func() { _ = os.Rename(pepper+".away", pepper) }, "pepper"},
		{"a secret that all can read", func() { _ = os.Chmod(pepper, 0o644) }, func() { _ = os.Chmod(pepper, 0o600) }, "pepper"},
		{"a configuration that all can write", func() { _ = os.Chmod(p.file, 0o666) }, func() { _ = os.Chmod(p.file, 0o600) }, "can be written by others"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.mends == nil {
				tt.mends = func() { p.configure(t, good) }
			}
			tt.breaks()
			failed := func() bool { return p.metrics(t)["gatehouse_config_reload_failed"] == 1 }
			eventually(t, "the mistake is noticed", failed)
			ready := p.operators(t, "/-/ready")
			if !strings.Contains(ready, `"degraded"`) || !strings.Contains(ready, tt.says) || !strings.Contains(ready, "stays in force") {
				t.Errorf("got %s, want a reason with %q", ready, tt.says)
			}
			if out := p.fails(t, "status", "--state", filepath.Join(p.dir, "state")); !strings.Contains(out, tt.says) || !strings.Contains(out, hash) {
				t.Errorf("got %s, want the status to say so, and the configuration of before", out)
			}
			eventually(t, "the log says so", func() bool { return strings.Contains(p.stderr.String(), "the configuration was not reloaded") })
			p.lives(t, key)
			if out, ok := ends(t, exec.Command(gatehouseBinary(t), "serve", "-c", p.file)); ok || !strings.Contains(out, "✗") || strings.Contains(out, secretInFile) {
				t.Errorf("got %s, want a start with it refused", out)
			}
			tt.mends()
			eventually(t, "it is mended", func() bool { return !failed() })
			if ready := p.operators(t, "/-/ready"); !strings.Contains(ready, `"ok"`) {
				t.Errorf("got %s, want ok", ready)
			}
		})
	}
	if strings.Contains(p.stderr.String()+p.metricsPage(t)+p.operators(t, "/-/ready"), secretInFile) {
		t.Error("the secret is told")
	}
	text, _ := os.ReadFile(filepath.Join(p.dir, "state", "audit.jsonl"))
	if strings.Contains(string(text), secretInFile) {
		t.Error("the secret is in the trail")
	}
}

// TestA215LinksAndCertificates turns the links that orchestrators use, and
// brings a certificate whose key is another's.
func TestA215LinksAndCertificates(t *testing.T) {
	up := newDouble(t, nil)
	p := &production{dir: stateDir(t)}
	p.pool = certificate(t, p.dir, "mcp.test")
	for name, text := range map[string]string{"a": plain(up), "b": strings.Replace(plain(up), "per_key: off", "per_key: 77/min", 1), "c": "version: 2\n"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(p.dir, name, "gatehouse.yaml"), strings.ReplaceAll(text, "DIR", p.dir))
	}
	turn := func(to string) {
		t.Helper()
		_ = os.Remove(filepath.Join(p.dir, "next"))
		if err := os.Symlink(to, filepath.Join(p.dir, "next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(p.dir, "next"), filepath.Join(p.dir, "now")); err != nil {
			t.Fatal(err)
		}
	}
	turn("a")
	p.file = filepath.Join(p.dir, "now", "gatehouse.yaml")
	p.launch(t)
	_, key := p.key("--name", "k")
	inForce := func() string {
		s, err := p.door(t).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s.Config
	}
	first := inForce()
	turn("b")
	eventually(t, "the other file is in force", func() bool { return inForce() != first })
	second := inForce()
	turn("c")
	eventually(t, "the mistake is noticed", func() bool { return p.metrics(t)["gatehouse_config_reload_failed"] == 1 })
	if got := inForce(); got != second {
		t.Errorf("got %s in force, want %s as before", got, second)
	}
	p.lives(t, key)
	turn("a")
	eventually(t, "the first file is in force again", func() bool {
		return p.metrics(t)["gatehouse_config_reload_failed"] == 0 && inForce() == first
	})
	other := t.TempDir()
	certificate(t, other, "mcp.test")
	foreign, err := os.ReadFile(filepath.Join(other, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(filepath.Join(p.dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(p.dir, "key.pem"), string(foreign))
	eventually(t, "it is noticed that the key is another's", func() bool { return strings.Contains(p.operators(t, "/-/ready"), "cert.pem") })
	p.lives(t, key)
	write(t, filepath.Join(p.dir, "key.pem"), string(own))
	eventually(t, "it is mended", func() bool { return strings.Contains(p.operators(t, "/-/ready"), `"ok"`) })
	p.lives(t, key)
}

// TestA215ManyReloads reloads ten times a second under load: no call is lost,
// and no stream ends.
func TestA215ManyReloads(t *testing.T) {
	up := newDouble(t, nil)
	p := serve(t, plain(up))
	_, key := p.key("--name", "k")
	s := p.stream(t, p.client(), key)
	var over atomic.Bool
	var load sync.WaitGroup
	var done, lost atomic.Int64
	for i := range 4 {
		load.Go(func() {
			c := p.client()
			if i%2 == 0 {
				c = p.client(old)
			}
			for !over.Load() {
				if got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...); got.status != http.StatusOK {
					lost.Add(1)
				}
				done.Add(1)
			}
			c.CloseIdleConnections()
		})
	}
	for i := range times(40, 600) {
		text := plain(up)
		switch i % 3 {
		case 1:
			text = strings.Replace(text, "per_key: off", "per_key: 600000/min", 1)
		case 2:
			text = text[:len(text)/2]
		}
		p.configure(t, text)
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.configure(t, plain(up))
	eventually(t, "the last file is in force", func() bool { return p.metrics(t)["gatehouse_config_reload_failed"] == 0 })
	over.Store(true)
	load.Wait()
	select {
	case <-s.ended:
		t.Error("the stream has ended")
	default:
	}
	if lost.Load() != 0 || done.Load() == 0 {
		t.Errorf("got %d of %d calls refused", lost.Load(), done.Load())
	}
	if got := p.ask(p.client(alone), "POST", "https://mcp.test"+s.endpoint, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, "Authorization: Bearer "+key); got.status != http.StatusAccepted {
		t.Errorf("got %d %s for the stream's next message, want 202", got.status, got.body)
	}
	eventually(t, "the answer", func() bool { return strings.Contains(s.String(), "result") })
}

// TestA220SIGTERMUnderLoad stops the real program at work: what had been asked
// is answered, streams end whole, and whoever balances load is told first.
func TestA220SIGTERMUnderLoad(t *testing.T) {
	slow := make(chan struct{})
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Mcp-Name") {
		case "slow":
			<-slow
		case "short":
			time.Sleep(5 * time.Millisecond)
		}
		answerJSON(w, `{"content":[]}`)
	})
	p := serve(t, plain(up))
	_, key := p.key("--name", "k")
	var streams []*eventStream
	sc := p.client()
	for range 20 {
		streams = append(streams, p.stream(t, sc, key))
	}
	var asked atomic.Bool // SIGTERM
	var load, late sync.WaitGroup
	var before, after, failed, answered atomic.Int64
	for i := range 16 {
		load.Go(func() {
			for c := (*http.Client)(nil); ; {
				if c == nil {
					if c = p.client(); i%2 == 0 {
						c = p.client(old, alone)
					}
				}
				wrote := false
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { wrote = !asked.Load() }})
				q, _ := http.NewRequestWithContext(ctx, "POST", "https://mcp.test/mcp", strings.NewReader(toolCall("short", `{}`)))
				q.Header.Set("Content-Type", "application/json")
				q.Header.Set("Accept", "application/json, text/event-stream")
				for _, h := range toolHeaders(key, "short") {
					name, value, _ := strings.Cut(h, ": ")
					q.Header.Set(name, value)
				}
				res, err := c.Do(q)
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				switch {
				case err == nil && res.StatusCode == http.StatusOK:
					answered.Add(1)
				case wrote:
					failed.Add(1)
					t.Errorf("a call that was sent before SIGTERM got %v, %v", res, err)
				}
				if asked.Load() {
					if err != nil {
						return
					}
					after.Add(1)
				} else {
					before.Add(1)
				}
			}
		})
	}
	eventually(t, "there is load", func() bool { return answered.Load() > 200 })
	var last got
	late.Go(func() {
		last = p.ask(p.client(old), "POST", "https://mcp.test/mcp", toolCall("slow", `{}`), toolHeaders(key, "slow")...)
	})
	eventually(t, "the slow call is under way", func() bool {
		for _, q := range up.requests() {
			if q.header.Get("Mcp-Name") == "slow" {
				return true
			}
		}
		return false
	})
	asked.Store(true)
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is not ready any more", func() bool { return strings.Contains(p.operators(t, "/-/ready"), "unready") })
	for i, s := range streams {
		select {
		case <-s.ended:
		case <-time.After(slack()):
			t.Errorf("stream %d is still open", i)
		}
	}
	close(slow)
	late.Wait()
	load.Wait()
	if last.status != http.StatusOK {
		t.Errorf("got %d %s for the call that was slow, want 200", last.status, last.body)
	}
	select {
	case err := <-p.done:
		p.done <- err
		if err != nil {
			t.Errorf("ended with %v, want 0", err)
		}
	case <-time.After(10*time.Second + slack()):
		t.Error("still running after its grace")
	}
	t.Logf("%d calls before and %d after SIGTERM, %d failed; gone after %s", before.Load(), after.Load(), failed.Load(), time.Since(began))
	if n := len(p.trail()); n < int(before.Load()) {
		t.Errorf("got %d events in the trail, want all %d calls", n, before.Load())
	}
}

// TestA220SecondSIGTERM asks twice while a call hangs: the second one is obeyed at once.
func TestA220SecondSIGTERM(t *testing.T) {
	hang := make(chan struct{})
	defer close(hang)
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	})
	p := serve(t, plain(up, "GRACE", "5m"))
	_, key := p.key("--name", "k")
	go func() {
		q, _ := http.NewRequestWithContext(t.Context(), "POST", "https://mcp.test/mcp", strings.NewReader(toolsList))
		for _, h := range append(modern(key), "Content-Type: application/json", "Accept: application/json, text/event-stream") {
			name, value, _ := strings.Cut(h, ": ")
			q.Header.Set(name, value)
		}
		if res, err := p.client().Do(q); err == nil {
			_ = res.Body.Close()
		}
	}()
	eventually(t, "the call is under way", func() bool { return up.count() == 1 })
	for i := range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			eventually(t, "it drains", func() bool { return strings.Contains(p.operators(t, "/-/ready"), "stopping") })
			time.Sleep(300 * time.Millisecond)
		}
	}
	select {
	case err := <-p.done:
		p.done <- err
		if err == nil || !strings.Contains(fmt.Sprint(err), "terminated") {
			t.Errorf("got %v, want the end by the signal", err)
		}
	case <-time.After(slack()):
		t.Error("still running after the second SIGTERM")
	}
}
