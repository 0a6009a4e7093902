package e2e

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestA194SlowCallers is slow in every way at the real program, as it is by
// default: whoever is slow is hung up on in time, and holds up nobody.
func TestA194SlowCallers(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := serve(t, plain(up))
	_, key := p.key("--name", "k")
	p.lives(t, key)
	back := p.flat(t)
	const head = "POST /mcp HTTP/1.1\r\nHost: mcp.test\r\nContent-Type: application/json\r\n"
	var slow []net.Conn
	began := time.Now()
	trickle := func(c net.Conn, text string) {
		for range 600 {
			time.Sleep(200 * time.Millisecond)
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
	for i := range 40 {
		raw, err := net.Dial("tcp", p.Listen)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		switch i % 4 {
		case 0: // nothing at all
			slow = append(slow, raw)
		case 1: // a handshake byte by byte
			_, _ = io.WriteString(raw, "\x16\x03\x01\x40\x00")
			go trickle(raw, "\x01")
			slow = append(slow, raw)
		case 2: // a head line by line
			c := p.secure(t, "http/1.1")
			_, _ = io.WriteString(c, head)
			go trickle(c, "X-A: b\r\n")
			slow = append(slow, c)
			_ = raw.Close()
		case 3: // a body that never comes whole
			c := p.secure(t, "http/1.1")
			_, _ = io.WriteString(c, head+"Authorization: Bearer "+key+"\r\nContent-Length: 100000\r\n\r\n{")
			go trickle(c, " ")
			slow = append(slow, c)
			_ = raw.Close()
		}
	}
	for range 10 {
		p.lives(t, key)
	}
	for i, c := range slow {
		_ = c.SetReadDeadline(began.Add(45*time.Second + slack()))
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("connection %d of kind %d is still open after %s", i, i%4, time.Since(began))
		}
		_ = c.Close()
	}
	t.Logf("all gone after %s", time.Since(began))
	p.lives(t, key)
	back()
}

// TestA194ReaderThatReadsNothing opens a stream on which much comes, and takes nothing.
func TestA194ReaderThatReadsNothing(t *testing.T) {
	t.Parallel()
	left := make(chan struct{}, 1)
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			answerJSON(w, `{"tools":[]}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		event := `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"` + strings.Repeat("x", 60_000) + `"}}` + "\n\n"
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, event); err != nil {
				break
			}
			w.(http.Flusher).Flush() //nolint:forcetypeassert // a test
		}
		left <- struct{}{}
	})
	p := serve(t, plain(up))
	_, key := p.key("--name", "k")
	p.lives(t, key)
	before := p.metrics(t)["process_resident_memory_bytes"]
	back := p.flat(t)
	c := p.secure(t, "http/1.1")
	_, _ = io.WriteString(c, "GET /mcp HTTP/1.1\r\nHost: mcp.test\r\nAuthorization: Bearer "+key+"\r\nAccept: text/event-stream\r\n\r\n")
	began := time.Now()
	select {
	case <-left:
	case <-time.After(60*time.Second + slack()):
		t.Error("the stream is still fed")
	}
	if grown := p.metrics(t)["process_resident_memory_bytes"] - before; grown > 200<<20 {
		t.Errorf("got %.0f MiB for a reader that reads nothing", grown/(1<<20))
	}
	t.Logf("let go after %s", time.Since(began))
	p.lives(t, key)
	_ = c.Close()
	back()
}

// launchWith starts the program by a shell, after a preamble.
func (p *production) launchWith(t *testing.T, preamble string, env ...string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", preamble+`; exec "$0" serve --json -c "$1"`, gatehouseBinary(t), p.file)
	cmd.Env = append(append(os.Environ(), "HOME="+p.dir), env...)
	p.program = start(t, cmd)
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			if err := p.stop(); err != nil {
				t.Errorf("ended with %v, want 0", err)
			}
		}
	})
	select {
	case <-p.stdout.line:
	case err := <-p.done:
		p.done <- err
		t.Fatalf("ended with %v\n%s", err, p.stderr)
	}
	if err := json.Unmarshal([]byte(p.stdout.String()), p); err != nil {
		t.Fatal(err)
	}
}

// TestA201FewFileDescriptors gives the real program 256 of them, and takes more
// connections than that: it neither ends nor forgets, and keeps what its own
// files need.
func TestA201FewFileDescriptors(t *testing.T) {
	t.Parallel()
	up := newDouble(t, nil)
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	p.configure(t, plain(up))
	p.launchWith(t, "ulimit -n 256")
	_, key := p.key("--name", "k")
	c := p.client()
	p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...)
	var many []net.Conn
	for range 300 {
		conn, err := net.Dial("tcp", p.Listen)
		if err != nil {
			break
		}
		many = append(many, conn)
	}
	if got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...); got.status != http.StatusOK {
		t.Errorf("got %d %s on a connection that was there, want 200", got.status, got.body)
	}
	id, _ := p.key("--name", "meanwhile") // store, trail and socket have room
	p.run("key", "revoke", id, "--yes")
	for _, conn := range many {
		_ = conn.Close()
	}
	began := time.Now()
	eventually(t, "new connections are served again", func() bool {
		fresh := p.client(alone)
		q, _ := http.NewRequestWithContext(t.Context(), "GET", "https://mcp.test/mcp", nil)
		res, err := fresh.Do(q)
		if err == nil {
			_ = res.Body.Close()
		}
		return err == nil
	})
	if took := time.Since(began); took > time.Second+slack() {
		t.Errorf("took %s to serve again", took)
	}
	p.lives(t, key)
}

// TestA203MemoryUnderAllSizes sends everything that is large at once, from many
// sides, to a program that was told to stay small.
func TestA203MemoryUnderAllSizes(t *testing.T) {
	t.Parallel()
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mcp-Name") == "big" {
			gigabyte(w)
			return
		}
		answerJSON(w, `{"tools":[]}`)
	})
	p := &production{dir: stateDir(t)}
	p.file = filepath.Join(p.dir, "gatehouse.yaml")
	p.pool = certificate(t, p.dir, "mcp.test")
	p.configure(t, plain(up))
	p.launchWith(t, ":", "GOMEMLIMIT=200MiB")
	_, key := p.key("--name", "k")
	p.lives(t, key)
	back := p.flat(t)
	big, deep := strings.Repeat("x", 4<<20-2000), strings.Repeat("[", 100_000)
	var over atomic.Bool
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			c := p.client(alone)
			if i%2 == 0 {
				c = p.client(old, alone)
			}
			do := func(body string, headers ...string) { sendLarge(t, c, body, headers...) }
			for !over.Load() {
				switch i % 6 {
				case 0:
					do(toolCall("x", `{"a":"`+big+`"}`), toolHeaders(key, "x")...)
				case 1:
					do(big+big, modern(key)...)
				case 2:
					do(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+deep, modern(key)...)
				case 3:
					do(toolsList, append(modern(key), "X-Big: "+big[:60_000])...)
				case 4:
					do(toolCall("big", `{}`), toolHeaders(key, "big")...)
				case 5:
					do("["+strings.Repeat(toolsList+",", 200)+toolsList+"]", "Authorization: Bearer "+key)
				}
			}
		})
	}
	var most float64
	for end := time.Now().Add(time.Duration(times(8, 60)) * time.Second); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		most = max(most, p.metrics(t)["process_resident_memory_bytes"])
	}
	p.lives(t, key)
	over.Store(true)
	all.Wait()
	limit := map[bool]float64{false: 400, true: 2400}[raceDetector]
	if most/(1<<20) > limit {
		t.Errorf("got %.0f MiB at most, want %.0f", most/(1<<20), limit)
	}
	p.lives(t, key)
	back()
}

// gigabyte answers with that much, as long as somebody takes it.
func gigabyte(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	for range 15_000 {
		if _, err := io.WriteString(w, strings.Repeat("x", 1<<16)); err != nil {
			return
		}
	}
}

// sendLarge sends a call and reads at most a part of what comes back.
func sendLarge(t *testing.T, c *http.Client, body string, headers ...string) {
	q, _ := http.NewRequestWithContext(t.Context(), "POST", "https://mcp.test/mcp", strings.NewReader(body))
	for _, h := range append(headers, "Content-Type: application/json", "Accept: application/json, text/event-stream") {
		name, value, _ := strings.Cut(h, ": ")
		q.Header.Set(name, value)
	}
	if res, err := c.Do(q); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 8<<20))
		_ = res.Body.Close()
	}
}

// TestA199OneServerHangs has one server behind take calls and never answer: the
// other is served as before, and what hung is gone with its callers.
func TestA199OneServerHangs(t *testing.T) {
	t.Parallel()
	var gone atomic.Int64
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/twin" && r.Method == http.MethodPost && r.Header.Get("X-Request-Id") != "" {
			<-r.Context().Done()
			gone.Add(1)
			return
		}
		answerJSON(w, `{"tools":[]}`)
	})
	p := serve(t, strings.NewReplacer("UPSTREAM", up.URL, "per_key: 10/min", "per_key: off", "per_tenant: 60/min", "per_tenant: off", "per_address: 40/min", "per_address: off").Replace(limited))
	_, key := p.key("--name", "k")
	p.lives(t, key)
	back := p.flat(t)
	c := p.client(func(way *http.Transport) { way.TLSHandshakeTimeout = patience })
	c.Timeout = 5 * time.Second
	var all sync.WaitGroup
	for range 90 {
		all.Go(func() {
			q, _ := http.NewRequestWithContext(t.Context(), "POST", "https://mcp.test/twin", strings.NewReader(toolsList))
			for _, h := range append(modern(key), "Content-Type: application/json", "Accept: application/json, text/event-stream") {
				name, value, _ := strings.Cut(h, ": ")
				q.Header.Set(name, value)
			}
			if res, err := c.Do(q); err == nil {
				t.Errorf("got %d from a server that hangs", res.StatusCode)
				_ = res.Body.Close()
			}
		})
	}
	eventually(t, "all of them hang", func() bool { return p.metrics(t)["gatehouse_exchanges"] == 90 })
	for range 20 {
		p.lives(t, key)
	}
	all.Wait() // their callers have left
	eventually(t, "the server is told that they have left", func() bool { return gone.Load() == 90 })
	c.CloseIdleConnections()
	back()
}

// TestA165KeysStayWhereTheyBelong uses keys at other servers, with other tools
// and from other networks, and wants open streams cut when they end.
func TestA165KeysStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	up := newDouble(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush() //nolint:forcetypeassert // a test
			<-r.Context().Done()
			return
		}
		answerJSON(w, `{"content":[],"tools":[]}`)
	})
	p := serve(t, strings.NewReplacer("UPSTREAM", up.URL, `url: "UPSTREAM/other"}`, `url: "`+up.URL+`/other", tenants: [acme]}`).Replace(allDoors))
	p.run("tenant", "create", "acme")
	_, ours := p.key("--name", "ours", "--tools", "get_*")
	_, acme := p.key("--name", "acme", "--tenant", "acme")
	_, away := p.key("--name", "away", "--ip", "192.0.2.0/24")
	c := p.client()
	before := up.count()
	for name, got := range map[string]got{
		"another tenant's server":     p.ask(c, "POST", "https://b.mcp.test/other", toolsList, modern(ours)...),
		"another tenant's, by GET":    p.ask(c, "GET", "https://b.mcp.test/other", "", "Authorization: Bearer "+ours, "Accept: text/event-stream"),
		"another network":             p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(away)...),
		"another network, as it says": p.ask(c, "POST", "https://mcp.test/mcp", toolsList, append(modern(away), "X-Forwarded-For: 192.0.2.1")...),
		"a tool that it may not call": p.ask(c, "POST", "https://mcp.test/mcp", toolCall("drop", `{}`), toolHeaders(ours, "drop")...),
		"the operators' paths":        p.ask(c, "GET", "https://mcp.test/-/metrics", "", "Authorization: Bearer "+acme),
		"the paths of the admin door": p.ask(c, "POST", "https://mcp.test/v1/keys", `{"name":"x"}`, "Authorization: Bearer "+acme),
	} {
		if got.status != http.StatusUnauthorized && got.status != http.StatusForbidden && got.status != http.StatusNotFound {
			t.Errorf("%s: got %d %s, want a refusal", name, got.status, got.body)
		}
	}
	if n := up.count() - before; n != 0 {
		t.Errorf("got %d requests at the server, want none", n)
	}
	for name, end := range map[string]func(id string){
		"revoked": func(id string) { p.run("key", "revoke", id, "--yes") },
		"rotated": func(id string) { p.run("key", "rotate", id, "--overlap", "0s") },
	} {
		id, key := p.key("--name", "k-"+name)
		s := p.stream(t, c, key)
		end(id)
		began := time.Now()
		select {
		case <-s.ended:
		case <-time.After(slack()):
			t.Errorf("the stream of a key that was %s is still open", name)
		}
		t.Logf("%s: cut after %s", name, time.Since(began))
		if got := p.ask(c, "POST", "https://mcp.test/mcp", toolsList, modern(key)...); got.status != http.StatusUnauthorized {
			t.Errorf("%s: got %d, want 401", name, got.status)
		}
	}
	s := p.stream(t, c, acme)
	p.run("tenant", "suspend", "acme", "--yes")
	select {
	case <-s.ended:
	case <-time.After(slack()):
		t.Error("the stream of a tenant that was suspended is still open")
	}
}
