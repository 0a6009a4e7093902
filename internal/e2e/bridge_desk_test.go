package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/keychain"
)

// desktop is where bridges run: a keychain, and a browser whose user is there.
type desktop struct {
	t      testing.TB
	state  string
	env    []string
	visits atomic.Int64 // windows that opened
}

// newDesktop is that of somebody with an account at a front.
func newDesktop(t testing.TB, f *front, user *resident) *desktop {
	t.Helper()
	d := &desktop{t: t, state: t.TempDir()}
	browser := posted(t, func(at string) (string, error) {
		d.visits.Add(1)
		back, err := user.visit(t.Context(), at)
		if err != nil {
			return "", err
		}
		res, err := http.Get(back.String())
		if err != nil {
			return "", err
		}
		return res.Status, res.Body.Close()
	})
	bin := filepath.Dir(mcpCommand(t))
	d.env = append(os.Environ(), "SSL_CERT_FILE="+f.all, "BROWSER_BY="+browser, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return d
}

// bridge is the command line of a bridge on the desktop.
func (d *desktop) bridge(args ...string) []string {
	return append([]string{gatehouseBinary(d.t), "bridge", "--keychain", "file", "--state", d.state}, args...)
}

// token is the access token that the desktop has of a sign-in.
func (d *desktop) token() string {
	d.t.Helper()
	store, err := keychain.Open(d.t.Context(), keychain.Options{Dir: filepath.Join(d.state, "keychain"), NoRing: true})
	if err != nil {
		d.t.Fatal(err)
	}
	names, err := store.Names(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "session/") {
			continue
		}
		raw, err := store.Load(d.t.Context(), name)
		var s struct {
			Access string `json:"access_token"`
		}
		if err == nil && json.Unmarshal(raw, &s) == nil && s.Access != "" {
			return s.Access
		}
	}
	d.t.Fatal("nobody has signed in")
	return ""
}

// spoken is a message to a client.
type spoken struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// talker is a client at a bridge's standard input and output.
type talker struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr *output
	done   chan error

	mu    sync.Mutex
	waits map[string]chan spoken
	heard map[string]int // answers, by id
}

// talk starts a bridge.
func talk(t testing.TB, env []string, args ...string) *talker {
	t.Helper()
	l := &talker{t: t, cmd: exec.Command(args[0], args[1:]...), stderr: newOutput(), done: make(chan error, 1), waits: map[string]chan spoken{}, heard: map[string]int{}}
	l.cmd.Env, l.cmd.Stderr = env, l.stderr
	var err error
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		l.listen(out)
		l.done <- l.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = l.cmd.Process.Kill()
		l.done <- <-l.done
		noRace(t, l.stderr.String())
		if t.Failed() {
			t.Logf("the bridge said:\n%s", l.stderr)
		}
	})
	return l
}

func (l *talker) listen(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var m spoken
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			l.t.Errorf("got %q, want a message", lines.Text())
			continue
		}
		if m.Method != "" || m.ID == nil {
			continue
		}
		l.mu.Lock()
		l.heard[string(m.ID)]++
		w := l.waits[string(m.ID)]
		l.mu.Unlock()
		select {
		case w <- m: // with room for one
		default:
		}
	}
}

// say sends a line.
func (l *talker) say(text string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.in, text+"\n")
	return err
}

// ask sends a request with a number as its id, and returns the answer.
func (l *talker) ask(id int, method, params string) (spoken, error) {
	w := make(chan spoken, 1)
	l.mu.Lock()
	l.waits[fmt.Sprint(id)] = w
	l.mu.Unlock()
	if err := l.say(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, id, method, params)); err != nil {
		return spoken{}, err
	}
	select {
	case m := <-w:
		return m, nil
	case <-time.After(2 * patience):
		return spoken{}, fmt.Errorf("request %d has no answer", id)
	}
}

// hello begins a conversation of 2025-11-25.
func (l *talker) hello() {
	l.t.Helper()
	m, err := l.ask(0, "initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}}`)
	if err == nil && m.Error != nil {
		err = fmt.Errorf("%s", m.Error.Message)
	}
	if err == nil {
		err = l.say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// bye ends the client's side, and wants the bridge to end with it.
func (l *talker) bye() {
	l.t.Helper()
	if err := l.in.Close(); err != nil {
		l.t.Error(err)
	}
	l.ended()
}

func (l *talker) ended() {
	l.t.Helper()
	select {
	case err := <-l.done:
		l.done <- err
	case <-time.After(patience):
		l.t.Error("the bridge does not end")
	}
}
