package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
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

// cable is what connections run over that break.
type cable struct {
	to string

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// lay connects an address with another.
func lay(t testing.TB, from, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", from)
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{to: to, conns: map[net.Conn]bool{}}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go c.carry(near)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); c.cut() })
	return c
}

func (c *cable) carry(near net.Conn) {
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		_ = near.Close()
		return
	}
	c.mu.Lock()
	c.conns[near], c.conns[far] = true, true
	c.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_, _ = near.Close(), far.Close()
		})
	}
	both.Wait()
	c.mu.Lock()
	delete(c.conns, near)
	delete(c.conns, far)
	c.mu.Unlock()
}

// cut breaks all connections, with whatever is on its way.
func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

// payer is a client that pays without end.
type payer struct {
	*talker
	params string // of a payment, with a verb for its number
	last   atomic.Int64
	paid   sync.Map // number → it was told so
	well   atomic.Int64
	ill    atomic.Int64
	over   chan struct{}
	busy   sync.WaitGroup
}

const payers = 4 // payments at once

// pay begins; the first number is given, so that no other client has it.
func (l *talker) pay(params string, first int) *payer {
	p := &payer{talker: l, params: params, over: make(chan struct{})}
	p.last.Store(int64(first))
	for range payers {
		p.busy.Go(func() {
			for p.one() {
				select {
				case <-p.over:
					return
				default:
				}
			}
		})
	}
	return p
}

func (p *payer) one() bool {
	n := int(p.last.Add(1))
	m, err := p.ask(n, "tools/call", fmt.Sprintf(p.params, n))
	switch {
	case err != nil:
		p.t.Error(err)
		return false
	case m.Error != nil:
		p.ill.Add(1)
		time.Sleep(20 * time.Millisecond) // nobody asks a server that is gone as fast as they can
	case !strings.Contains(string(m.Result), fmt.Sprintf(`"text":"%d"`, n)):
		p.t.Errorf("payment %d is answered %s", n, m.Result)
	default:
		p.paid.Store(fmt.Sprint(n), true)
		p.well.Add(1)
	}
	return true
}

// goesOn waits until some more payments were made.
func (p *payer) goesOn(what string) {
	p.t.Helper()
	more := p.well.Load() + 2*payers
	eventually(p.t, "it pays on after "+what, func() bool { return p.well.Load() >= more || p.t.Failed() })
}

// settles compares what the client was told with the book.
func (p *payer) settles(book map[string]int) {
	p.t.Helper()
	p.paid.Range(func(n, _ any) bool {
		if book[n.(string)] != 1 {
			p.t.Errorf("payment %s was told and is in the book %d times", n, book[n.(string)])
		}
		return true
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.waits {
		if p.heard[id] != 1 {
			p.t.Errorf("request %s has %d answers", id, p.heard[id])
		}
	}
	if len(p.heard) != len(p.waits) {
		p.t.Errorf("%d requests, %d are answered", len(p.waits), len(p.heard))
	}
	p.t.Logf("%d paid, %d answered with an error", p.well.Load(), p.ill.Load())
}

// readBook reads the till's book.
func readBook(t *testing.T, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	book := map[string]int{}
	for _, n := range strings.Fields(string(text)) {
		book[n]++
	}
	for n, times := range book {
		if times != 1 {
			t.Errorf("payment %s was made %d times", n, times)
		}
	}
	return book
}

// chaos is a till, and bridges that clients pay over: two of 2026-07-28 at our
// gateway, signed in at our authorization server, one of them with a clock that is
// wrong; one of 2025-11-25 and one of 2026-07-28 at the till itself, with sessions
// and over HTTP+SSE.
type chaos struct {
	t       *testing.T
	clock   string // the file that says how wrong it is
	f       *front
	d       *desktop
	wrong   *desktop // where the clock is wrong
	till    *program
	address string // of the till
	book    string
	cables  []*cable
	payers  []*payer
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{t: t, f: reserved(t), address: freeAddress(t), book: filepath.Join(t.TempDir(), "book")}
	c.opens()
	f := c.f
	f.listen = freeAddress(t)
	f.embedded = "accounts: true, access_token_ttl: 1m, clients: {cimd: {private: [127.0.0.1], ca: DIR/cert.pem}}"
	f.openOwn(t, "http://"+c.address+"/stateless", readsAndWrites, "\n    - {name: pay, tools: [pay], require: {scopes: [tools:read]}}")
	straight := freeAddress(t)
	c.cables = []*cable{lay(t, f.address, f.listen), lay(t, straight, c.address)}
	c.d = newDesktop(t, f, settle(t, f, "ada"))
	c.clock = filepath.Join(t.TempDir(), "clock")
	c.setClock(0)
	modern := talk(t, c.d.env, c.d.bridge(f.url)...)
	c.wrong = newDesktop(t, f, settle(t, f, "grace"))
	skewed := talk(t, c.wrong.env, build(t, "skewed", "./internal/e2e/skewed"), f.url, filepath.Join(c.wrong.state, "keychain"), c.clock)
	events := talk(t, c.d.env, c.d.bridge("http://"+straight+"/sse")...)
	old := talk(t, c.d.env, c.d.bridge("http://"+straight+"/sessions")...)
	old.hello()
	const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"e2e","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}},`
	const pay = `"name":"pay","arguments":{"number":%d}}`
	c.payers = []*payer{modern.pay("{"+meta+pay, 1_000), old.pay("{"+pay, 1_000_000), skewed.pay("{"+meta+pay, 2_000_000), events.pay("{"+meta+pay, 3_000_000)}
	return c
}

func (c *chaos) setClock(wrong time.Duration) {
	c.t.Helper()
	write(c.t, c.clock, wrong.String())
}

// renews waits until the bridge with the wrong clock has another token.
func (c *chaos) renews(when func()) {
	c.t.Helper()
	was := c.wrong.token()
	when()
	eventually(c.t, "the token is renewed", func() bool { return c.wrong.token() != was })
}

// sleeps has the machine sleep: nothing runs, the connections die, the clocks go on.
func (c *chaos) sleeps(until func()) {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
	c.cut()
	until()
	c.signal(syscall.SIGCONT)
}

func (c *chaos) signal(s syscall.Signal) {
	c.t.Helper()
	for _, p := range c.payers {
		if err := p.cmd.Process.Signal(s); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *chaos) cut() {
	for _, one := range c.cables {
		one.cut()
	}
}

func (c *chaos) opens() {
	c.till = start(c.t, exec.Command(build(c.t, "till", "./internal/e2e/till"), c.address, c.book))
	c.till.listening(c.address)
}

func (c *chaos) goesOn(what string) {
	c.t.Helper()
	for _, p := range c.payers {
		p.goesOn(what)
	}
}

// TestTheBridgeLosesNothingAndRepeatsNothing pays through real bridges while
// servers are killed, connections break, tokens end and are revoked, the clock jumps
// and the machine sleeps. Each request has one answer, what a client was told was done once, and
// nothing was done twice.
func TestTheBridgeLosesNothingAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	c.goesOn("the start")
	for round := range 2 {
		ahead := time.Duration(round+1) * 3 * time.Hour // of what the last token was got at
		for _, what := range []struct {
			name string
			does func()
		}{
			{"the connections broke", c.cut},
			{"the server was killed", func() {
				_ = c.till.cmd.Process.Kill()
				<-c.till.done
				c.till.done <- errors.New("killed")
				c.opens()
			}},
			{"the gateway was killed", func() { c.f.kill(t); c.f.launch(t) }},
			{"the token was revoked", func() {
				_, claims := peek(t, c.d.token())
				c.f.run("token", "revoke", "--issuer", "gatehouse", "--jti", fmt.Sprint(claims["jti"]), "--yes")
			}},
			{"the clock was set forward", func() { c.renews(func() { c.setClock(ahead) }) }},
			{"the clock was set back", func() { c.setClock(-3 * time.Hour) }},
			{"the machine slept for hours", func() { c.renews(func() { c.sleeps(func() { c.setClock(ahead + 2*time.Hour) }) }) }},
		} {
			t.Logf("%s before payment %d", what.name, c.payers[0].last.Load())
			what.does()
			c.goesOn(what.name)
		}
	}
	for _, p := range c.payers { // before the book is read
		close(p.over)
		p.busy.Wait()
		p.bye()
	}
	book := readBook(t, c.book)
	for _, p := range c.payers {
		p.settles(book)
	}
	for _, d := range []*desktop{c.d, c.wrong} {
		if n := d.visits.Load(); n != 1 {
			t.Errorf("a user signed in %d times", n)
		}
	}
}
