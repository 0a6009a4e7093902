package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/apikey"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// streaming answers with events until the client leaves, and then tries to go
// on. A call of "slow" gets no answer at all.
type streaming struct {
	events        chan string
	arrived, left chan struct{}
}

func newStreaming() *streaming {
	return &streaming{make(chan string), make(chan struct{}, 100), make(chan struct{}, 100)}
}

// ServeHTTP implements http.Handler.
func (u *streaming) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.arrived <- struct{}{}
	defer func() { u.left <- struct{}{} }()
	if strings.Contains(string(body), `"slow"`) {
		<-r.Context().Done()
		return
	}
	tell(w, r, u.events)
	_, _ = io.WriteString(w, "data: "+note("too late")+"\n\n")
	_ = http.NewResponseController(w).Flush()
}

// leaves waits until the gateway has left one of the server's answers.
func (u *streaming) leaves(t *testing.T) {
	t.Helper()
	select {
	case <-u.left:
	case <-time.After(10 * time.Second):
		t.Fatal("the server's answer is still wanted after 10 s")
	}
}

// kinds are the ways in which a request stays open.
func kinds() []struct {
	name, method, body string
	headers            []string
} {
	listen, listenHeaders := ofNewEra("subscriptions/listen", "", `,"notifications":{"toolsListChanged":true}`)
	long, longHeaders := ofNewEra("tools/call", "get_a", `,"name":"get_a"`)
	return []struct {
		name, method, body string
		headers            []string
	}{
		{"the stream of a session", http.MethodGet, "", nil},
		{"a subscription", http.MethodPost, listen, listenHeaders},
		{"a call that tells of its progress", http.MethodPost, long, longHeaders},
		{"a call of the older era", http.MethodPost, call("get_a"), nil},
		{"a call without an answer yet", http.MethodPost, call("slow"), nil},
	}
}

func TestA115StreamOutlivesAuthority(t *testing.T) {
	up := newStreaming()
	s := besiege(t, up)
	endings := []struct {
		name, code string
		again      bool // the same key may come back
		end        func(k *apikey.Key) error
	}{
		{"revoked", "GH-1011", false, func(k *apikey.Key) error {
			_, err := s.keys.Revoke(t.Context(), k.Tenant, k.ID, "test", "leaked")
			return err
		}},
		{"made to expire", "GH-1011", false, expiry(s, -time.Second)},
		{"left to expire", "GH-1011", false, expiry(s, 100*time.Millisecond)},
		{"replaced", "GH-1012", false, func(k *apikey.Key) error {
			_, _, _, err := s.keys.Rotate(t.Context(), k.Tenant, k.ID, 0)
			return err
		}},
		{"of a suspended tenant", "GH-1013", false, func(k *apikey.Key) error {
			_, err := s.tenants.Suspend(t.Context(), k.Tenant, "test")
			return err
		}},
		{"of a deleted tenant", "GH-1011", false, func(k *apikey.Key) error {
			_, err := s.tenants.Delete(t.Context(), k.Tenant, "test")
			return err
		}},
		{"given fewer tools", "GH-1014", true, func(k *apikey.Key) error {
			_, err := s.keys.Update(t.Context(), k.Tenant, k.ID, apikey.Change{Tools: &[]string{"get_*"}})
			return err
		}},
	}
	for i, ending := range endings {
		for j, kind := range kinds() {
			t.Run(ending.name+", "+kind.name, func(t *testing.T) {
				own, err := s.tenants.Create(t.Context(), fmt.Sprintf("t-%d-%d", i, j))
				if err != nil {
					t.Fatal(err)
				}
				k, key := s.keyOf(own.ID)
				open := func(ctx context.Context) *http.Response {
					return s.open(ctx, kind.method, key, kind.body, kind.headers...)
				}
				cut := s.cut(t, up, kind.body == call("slow"), open, func() error { return ending.end(k) })
				if !strings.Contains(cut, `"code":"`+ending.code+`"`) {
					t.Errorf("got %s in the log, want one warning with %s", cut, ending.code)
				}
				if got := s.post(key, ping); (got.status == http.StatusOK) != ending.again {
					t.Errorf("got %d %s afterwards, want it to pass: %v", got.status, got.body, ending.again)
				}
			})
		}
	}
}

// expiry makes keys expire in a while.
func expiry(s *siege, in time.Duration) func(k *apikey.Key) error {
	return func(k *apikey.Key) error {
		at := time.Now().Add(in)
		_, err := s.keys.Update(s.t.Context(), k.Tenant, k.ID, apikey.Change{Expires: &at})
		return err
	}
}

// cut opens a stream, takes its right away and returns what the log says about
// it. Nothing that the server sends afterwards may arrive. A silent server has
// not begun to answer.
func (s *siege) cut(t *testing.T, up *streaming, silent bool, open func(context.Context) *http.Response, end func() error) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	answers := make(chan *http.Response, 1)
	var opening sync.WaitGroup
	defer opening.Wait()
	opening.Go(func() {
		defer close(answers)
		answers <- open(ctx)
	})
	<-up.arrived
	if !silent {
		up.events <- note("before")
	}
	mark := s.log.size()
	if silent {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	res, ok := <-answers
	if !ok {
		t.Fatal("got no answer within 10 s")
	}
	lines := bufio.NewReader(res.Body)
	if !silent {
		if line, _ := lines.ReadString('\n'); !strings.Contains(line, "before") {
			t.Errorf("got %q, want the first event", line)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
	} else if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 403, or 503 to come again", res.StatusCode)
	}
	up.leaves(t)
	defer res.Body.Close()
	if rest, _ := io.ReadAll(lines); ctx.Err() != nil || strings.Contains(string(rest), "too late") {
		t.Errorf("got %q after the end of the right, want the end", rest)
	}
	var text string
	s.until(t, "a warning in the log", func() bool {
		text = s.log.since(mark)
		return strings.Count(text, `"level":"WARN","msg":"request"`) == 1
	})
	return text
}

// until waits for what happens on its own.
func (s *siege) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// flood makes n attempts, some at once.
func flood(n int, attempt func(i int)) {
	var running sync.WaitGroup
	next := make(chan int)
	for range 8 {
		running.Go(func() {
			for i := range next {
				attempt(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	running.Wait()
}

func TestA125InitializeFlood(t *testing.T) {
	up := &stateful{}
	s := besiege(t, up)
	id, gone := s.mint()
	if _, err := s.keys.Revoke(t.Context(), s.tenant, id, "test", "leaked"); err != nil {
		t.Fatal(err)
	}
	before := s.up.count()
	flood(120, func(i int) {
		key := []string{"", gone, "gthk_nonsense", "Bearer"}[i%4]
		method, body := http.MethodPost, initialize
		if i%3 == 0 {
			method, body = http.MethodGet, ""
		}
		if got := s.do(method, key, body); got.status != http.StatusUnauthorized {
			t.Errorf("got %d for %s with key %q, want 401", got.status, method, key)
		}
	})
	if n := s.up.count() - before; n != 0 {
		t.Errorf("got %d requests at the server from nobody, want none", n)
	}
	flood(120, func(int) {
		if got := s.post(s.key, initialize); got.status != http.StatusOK {
			t.Errorf("got %d, want 200: a session costs us nothing", got.status)
		}
	})
}

// What a caller holds open is bounded, whoever else is there.
func TestA125OpenStreams(t *testing.T) {
	up := newStreaming()
	s := besiege(t, up, func(g *gateway.Gateway) { atMost(g, 4) })
	other, err := s.tenants.Create(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []tenant.ID{s.tenant, other.ID} { // one after the other: neither knows of the other's
		_, key := s.keyOf(of)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 4 {
			defer s.open(ctx, http.MethodGet, key, "").Body.Close()
		}
		got := s.refuses(t, http.StatusServiceUnavailable, "GH-1503", func() reply { return s.do(http.MethodGet, key, "") })
		if got.header.Get("Retry-After") == "" {
			t.Error("got no Retry-After")
		}
		got = s.post(key, call("get_a")) // whose answer turns out to be a stream
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "GH-1503") {
			t.Errorf("got %d %s, want 503 GH-1503", got.status, got.body)
		}
		for range len(up.left) {
			<-up.left
		}
		cancel()
		for range 4 {
			up.leaves(t)
		}
		s.until(t, "a place that was given back", func() bool {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			res := s.open(ctx, http.MethodGet, key, "")
			defer res.Body.Close()
			return res.StatusCode == http.StatusOK
		})
	}
}

func TestA125StreamsAtOnce(t *testing.T) {
	up := newStreaming()
	s := besiege(t, up, func(g *gateway.Gateway) { atMost(g, 4) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	count := map[int]int{}
	var open []io.Closer
	flood(60, func(int) {
		res := s.open(ctx, http.MethodGet, s.key, "")
		mu.Lock()
		defer mu.Unlock()
		count[res.StatusCode]++
		open = append(open, res.Body)
	})
	if count[http.StatusOK] != 4 || count[http.StatusServiceUnavailable] != 56 {
		t.Errorf("got %v, want 4 open and 56 refused", count)
	}
	cancel()
	for _, c := range open {
		_ = c.Close()
	}
}
