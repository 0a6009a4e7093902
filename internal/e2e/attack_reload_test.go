package e2e

import (
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
)

const secretInFile = "reload-canary-0123456789-0123456789-0123"

// withSecret is a configuration that reads a file with a secret.
func withSecret(up *double) string {
	return strings.Replace(plain(up), "auth: {api_keys: {}}", `auth: {api_keys: {pepper: "${file:DIR/pepper}"}}`, 1)
}

// breakage is one way to break a configuration that is in force.
type breakage struct {
	name   string
	breaks func()
	mends  func() // nil: the good configuration is written again
	says   string
}

// breakages lists the ways to break a good configuration, and what is said of each.
func breakages(t testing.TB, p *production, good string) []breakage {
	pepper := filepath.Join(p.dir, "pepper")
	edit := func(old, fresh string) func() {
		return func() { p.configure(t, strings.Replace(good, old, fresh, 1)) }
	}
	return []breakage{
		{"a syntax error", edit("policy: {default: allow}", "policy: {default: allow"), nil, "must be specified"},
		{"half of it", func() { p.configure(t, good[:len(good)/2]) }, nil, "lets nobody in"},
		{"an unknown key", edit("policy: {default: allow}", "policy: {default: allow, defualt: deny}"), nil, "defualt"}, //nolint:misspell // that is the point
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
	}
}

// survives breaks the configuration, wants the one of before in force and everybody told, and mends it.
func (b breakage) survives(t *testing.T, p *production, key string) {
	b.breaks()
	failed := func() bool { return p.metrics(t)["gatehouse_config_reload_failed"] == 1 }
	eventually(t, "the mistake is noticed", failed)
	ready := p.operators(t, "/-/ready")
	if !strings.Contains(ready, `"degraded"`) || !strings.Contains(ready, b.says) || !strings.Contains(ready, "stays in force") {
		t.Errorf("got %s, want a reason with %q", ready, b.says)
	}
	if out := p.fails(t, "status", "--state", filepath.Join(p.dir, "state")); !strings.Contains(out, b.says) || !strings.Contains(out, "configuration "+p.Config) {
		t.Errorf("got %s, want the status to say so, and the configuration of before", out)
	}
	eventually(t, "the log says so", func() bool { return strings.Contains(p.stderr.String(), "the configuration was not reloaded") })
	p.lives(t, key)
	if out, ok := ends(t, exec.Command(gatehouseBinary(t), "serve", "-c", p.file)); ok || !strings.Contains(out, "✗") || strings.Contains(out, secretInFile) {
		t.Errorf("got %s, want a start with it refused", out)
	}
	b.mends()
	eventually(t, "it is mended", func() bool { return !failed() })
	if ready := p.operators(t, "/-/ready"); !strings.Contains(ready, `"ok"`) {
		t.Errorf("got %s, want ok", ready)
	}
}

// TestA215BrokenReloads breaks the configuration of a running server in every
// way: the old one stays in force, and everybody who asks is told so.
func TestA215BrokenReloads(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	write(t, filepath.Join(p.dir, "pepper"), secretInFile)
	good := withSecret(up)
	p.configure(t, good)
	p.launch(t)
	_, key := p.key("--name", "k")
	p.lives(t, key)
	for _, b := range breakages(t, p, good) {
		t.Run(b.name, func(t *testing.T) {
			if b.mends == nil {
				b.mends = func() { p.configure(t, good) }
			}
			b.survives(t, p, key)
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

// turn lets the link "now" lead to another folder in one step, as orchestrators do.
func (p *production) turn(t testing.TB, to string) {
	t.Helper()
	_ = os.Remove(filepath.Join(p.dir, "next"))
	if err := os.Symlink(to, filepath.Join(p.dir, "next")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(p.dir, "next"), filepath.Join(p.dir, "now")); err != nil {
		t.Fatal(err)
	}
}

// takesForeignKey brings the certificate another's key for a while: it is noticed, and the old pair stays in use.
func (p *production) takesForeignKey(t *testing.T, key string) {
	t.Helper()
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

// TestA215LinksAndCertificates turns the links that orchestrators use, and
// brings a certificate whose key is another's.
func TestA215LinksAndCertificates(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := &production{dir: stateDir(t)}
	p.pool = certificate(t, p.dir, "mcp.test")
	for name, text := range map[string]string{"a": plain(up), "b": strings.Replace(plain(up), "per_key: off", "per_key: 77/min", 1), "c": "version: 2\n"} {
		if err := os.Mkdir(filepath.Join(p.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(p.dir, name, "gatehouse.yaml"), strings.ReplaceAll(text, "DIR", p.dir))
	}
	p.turn(t, "a")
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
	p.turn(t, "b")
	eventually(t, "the other file is in force", func() bool { return inForce() != first })
	second := inForce()
	p.turn(t, "c")
	eventually(t, "the mistake is noticed", func() bool { return p.metrics(t)["gatehouse_config_reload_failed"] == 1 })
	if got := inForce(); got != second {
		t.Errorf("got %s in force, want %s as before", got, second)
	}
	p.lives(t, key)
	p.turn(t, "a")
	eventually(t, "the first file is in force again", func() bool {
		return p.metrics(t)["gatehouse_config_reload_failed"] == 0 && inForce() == first
	})
	p.takesForeignKey(t, key)
}

// TestA215ManyReloads reloads ten times a second under load: no call is lost,
// and no stream ends.
func TestA215ManyReloads(t *testing.T) {
	t.Parallel()
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
