package gatehouse_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse"
)

func TestA049AnswersThatAreNoClearYes(t *testing.T) {
	with := func(change ...obj) string { return jsonOf(claimsWith(append([]obj{{"active": true}}, change...)...)) }
	yes := with()
	tests := []struct{ name, answer, want string }{
		{"a clear yes", yes, ""},
		{"nothing in it", `{}`, "(GH-1121)"},
		{"no active", jsonOf(claimsWith()), "(GH-1121)"},
		{"active false", with(obj{"active": false}), "(GH-1121)"},
		{"active null", with(obj{"active": nil}), "(GH-1121)"},
		{"active as a text", with(obj{"active": "true"}), "(GH-1121)"},
		{"active 1", with(obj{"active": 1}), "(GH-1121)"},
		{"active in a list", with(obj{"active": []bool{true}}), "(GH-1121)"},
		{"active as an object", with(obj{"active": obj{"active": true}}), "(GH-1121)"},
		{"active within", jsonOf(obj{"data": claimsWith(obj{"active": true})}), "(GH-1121)"},
		{"Active in large", with(obj{"active": gone, "Active": true}), "(GH-1121)"},
		{"false, and true in large", with(obj{"active": false, "Active": true}), "(GH-1121)"},
		{"true, and false in large", with(obj{"Active": false}), "(GH-1121)"},
		{"twice, false first", `{"active":false,` + yes[1:], "(GH-1121)"},
		{"twice, true first", yes[:len(yes)-1] + `,"active":false}`, "(GH-1121)"},
		{"twice by an escape", yes[:len(yes)-1] + `,"\u0061ctive":false}`, "(GH-1121)"},
		{"two audiences", yes[:len(yes)-1] + `,"aud":"other"}`, "(GH-1121)"},
		{"two documents", yes + yes, "(GH-1121)"},
		{"in a list", "[" + yes + "]", "(GH-1121)"},
		{"a bare true", "true", "(GH-1121)"},
		{"null", "null", "(GH-1121)"},
		{"nothing", "", "(GH-1121)"},
		{"half of it", yes[:len(yes)-1], "(GH-1121)"},
		{"a mark before it", "\xef\xbb\xbf" + yes, "(GH-1121)"},
		{"text that is no UTF-8", strings.Replace(yes, "ada", "\xff", 1), "(GH-1121)"},
		{"a hole of brackets", strings.Repeat("[", 50_000), "(GH-1121)"},
		{"no issuer", with(obj{"iss": gone}), "GH-1103"},
		{"an empty issuer", with(obj{"iss": ""}), "GH-1103"},
		{"an issuer that is null", with(obj{"iss": nil}), "GH-1103"},
		{"another issuer", with(obj{"iss": "https://evil.example"}), "GH-1103"},
		{"the issuer with a slash", with(obj{"iss": theirURL + "/"}), "GH-1103"},
		{"a list of issuers", with(obj{"iss": []string{theirURL}}), "GH-1103"},
		{"an issuer in another case", with(obj{"iss": gone, "ISS": theirURL}), "(GH-1121)"},
		{"no audience", with(obj{"aud": gone}), "GH-1104"},
		{"an empty audience", with(obj{"aud": ""}), "GH-1104"},
		{"no audience in a list", with(obj{"aud": []string{}}), "GH-1104"},
		{"an audience that is true", with(obj{"aud": true}), "GH-1104"},
		{"an audience in large", with(obj{"aud": gone, "AUD": ourURL}), "(GH-1121)"},
	}
	i := newIntrospector(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i.answer.Store(answering(tt.answer))
			v := i.verifier(t)
			for range 2 { // the second one from memory
				if got := verdictOn(t, v, bearer(opaque)); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
			}
		})
	}
}

type noAnswer struct {
	name, want string
	answer     http.HandlerFunc
}

// typed answers with a media type, a text and a status.
func typed(kind, body string, status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		if status != 204 && status != 304 {
			_, _ = w.Write([]byte(body))
		}
	}
}

func noAnswers() []noAnswer {
	yes := jsonOf(claimsWith(obj{"active": true}))
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(yes))
	_ = z.Close()
	return []noAnswer{
		{"a web page", "GH-1120", typed("text/html", "<html>", 200)},
		{"JSON that calls itself a page", "GH-1120", typed("text/html", yes, 200)},
		{"JSON that calls itself nothing", "GH-1120", typed("", yes, 200)},
		{"a signed answer", "GH-1120", typed("application/token-introspection+jwt", yes, 200)},
		{"status 201", "GH-1120", typed("application/json", yes, 201)},
		{"status 204", "GH-1120", typed("application/json", "", 204)},
		{"status 206", "GH-1120", typed("application/json", yes, 206)},
		{"status 304", "GH-1120", typed("application/json", "", 304)},
		{"status 400", "(GH-1121)", typed("application/json", yes, 400)},
		{"status 401", "GH-1120", typed("application/json", yes, 401)},
		{"status 403", "GH-1120", typed("application/json", yes, 403)},
		{"status 404", "GH-1120", typed("application/json", yes, 404)},
		{"status 429", "GH-1120", typed("application/json", yes, 429)},
		{"status 500", "GH-1120", typed("application/json", yes, 500)},
		{"a redirect", "GH-1120", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}},
		{"a compressed answer", "GH-1120", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped.Bytes())
		}},
		{"an answer without end", "GH-1120", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(yes))
			for chunk := bytes.Repeat([]byte(" "), 64<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}},
		{"an answer that says it is a gigabyte", "GH-1120", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1073741824")
		}},
		{"a connection cut", "GH-1120", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"no answer in time", "GH-1120", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	}
}

func TestA049AnswersThatAreNoAnswer(t *testing.T) {
	i := newIntrospector(t)
	for _, tt := range noAnswers() {
		t.Run(tt.name, func(t *testing.T) {
			i.answer.Store(tt.answer)
			v := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.HTTP.Timeout = time.Second })
			if got := verdictOn(t, v, bearer(opaque)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == "GH-1120" { // it is over as soon as the issuer is back
				i.say(claimsWith(obj{"active": true}))
				if got := verdictOn(t, v, bearer(opaque)); got != "" {
					t.Errorf("afterwards: got %q", got)
				}
			}
		})
	}
	if i.form.Get("token") != opaque {
		t.Error("the redirect was followed")
	}
}

func TestA049AnIssuerThatIsNotThere(t *testing.T) {
	i := newIntrospector(t)
	v := i.verifier(t)
	i.Close()
	if got := verdictOn(t, v, bearer(opaque)); got != "GH-1120" {
		t.Errorf("got %q", got)
	}
	_, err := v.Verify(t.Context(), bearer(opaque))
	var e *gatehouse.Error
	if !errors.As(err, &e) || e.Status != 503 || e.Challenge != nil || !strings.Contains(e.Cause.Error(), "no connection") {
		t.Errorf("got %+v", e)
	}
}

func TestA049WhatIsKeptOfAnswers(t *testing.T) {
	i, c := newIntrospector(t), newKeyClock()
	start := c.now()
	active := obj{"active": true, "iat": start.Unix(), "exp": start.Add(45 * time.Second).Unix()}
	i.say(claimsWith(active))
	v := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.Now = c.now })
	expect := func(want string, asked int64) {
		t.Helper()
		if got := verdictOn(t, v, bearer(opaque)); got != want {
			t.Errorf("after %s: got %q, want %q", c.now().Sub(start), got, want)
		}
		if n := i.asked.Load(); n != asked {
			t.Errorf("after %s: asked %d times, want %d", c.now().Sub(start), n, asked)
		}
	}
	expect("", 1)
	i.say(obj{"active": false}) // it was revoked
	c.advance(29 * time.Second)
	expect("", 1)
	c.advance(time.Second)
	expect("(GH-1121)", 2) // at most 30 s later
	c.advance(9 * time.Second)
	expect("(GH-1121)", 2)
	i.say(claimsWith(active))
	c.advance(time.Second)
	expect("", 3)
	c.advance(4 * time.Second)
	expect("", 3)
	c.advance(time.Second) // its end, 5 s after the last question
	expect("", 4)          // within the leeway, but not from memory
	c.advance(2 * time.Minute)
	expect("GH-1109", 5)
	// Without a cache, each token is asked about each time.
	w := i.verifier(t, func(w *gatehouse.IntrospectionVerifier) { w.CacheFor = -1 })
	i.say(claimsWith(obj{"active": true}))
	for range 3 {
		if got := verdictOn(t, w, bearer(opaque)); got != "" {
			t.Errorf("got %q", got)
		}
	}
	if n := i.asked.Load(); n != 8 {
		t.Errorf("asked %d times, want 8", n)
	}
}

func TestA049GarbageDrivesOutNoGoodToken(t *testing.T) {
	i := newIntrospector(t)
	v := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.CacheSize = 256 })
	if got := verdictOn(t, v, bearer(opaque)); got != "" {
		t.Fatalf("got %q", got)
	}
	i.say(obj{"active": false})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 200 {
				text := fmt.Sprintf("oat_garbage-%d-%08d", worker, n)
				for range 2 {
					if _, err := v.Verify(context.Background(), bearer(text)); !errors.Is(err, gatehouse.ErrNotMine) {
						t.Errorf("got %v", err)
					}
				}
			}
		})
	}
	wg.Wait()
	asked := i.asked.Load()
	if got := verdictOn(t, v, bearer(opaque)); got != "" || i.asked.Load() != asked {
		t.Errorf("got %q, asked again: %t", got, i.asked.Load() != asked)
	}
	if asked > 8*200*2 { // less by what was remembered
		t.Errorf("asked %d times", asked)
	}
}

func TestA049OneQuestionForManyCallers(t *testing.T) {
	i := newIntrospector(t)
	release := make(chan struct{})
	yes := jsonOf(claimsWith(obj{"active": true}))
	i.answer.Store(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-release
		answering(yes)(w, r)
	}))
	v := i.verifier(t)
	leader, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := v.Verify(leader, bearer(opaque))
		left <- err
	}()
	settle(t, func() bool { return i.asked.Load() == 1 })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the leader got %v", err)
	}
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			if got := verdictOn(t, v, bearer(opaque)); got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
	close(release)
	wg.Wait()
	if err := v.AskLate(opaque); err != nil || i.asked.Load() != 1 {
		t.Errorf("asked %d times, want 1: %v", i.asked.Load(), err)
	}
}

func TestA049AFloodIsBounded(t *testing.T) {
	i := newIntrospector(t)
	var at, most atomic.Int64
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free) // before the server is closed, which waits for its answers
	i.answer.Store(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := at.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		at.Add(-1)
		answering(`{"active":false}`)(w, r)
	}))
	v := i.verifier(t)
	var away, no atomic.Int64
	var wg sync.WaitGroup
	for n := range 1500 {
		wg.Go(func() {
			_, err := v.Verify(context.Background(), bearer(fmt.Sprintf("oat_flood-%012d", n)))
			switch {
			case errors.Is(err, gatehouse.ErrNotMine):
				no.Add(1)
			default:
				away.Add(1)
			}
		})
	}
	settle(t, func() bool { return away.Load() == 1500-1024 && at.Load() == 32 })
	free()
	wg.Wait()
	if most.Load() != 32 || no.Load() == 0 || no.Load()+away.Load() != 1500 {
		t.Errorf("%d questions at once, %d answered, %d refused", most.Load(), no.Load(), away.Load())
	}
}

// A049: whoever makes up tokens keeps nobody waiting whose token was good lately,
// even where no answer is kept.
func TestA049AFloodKeepsNoKnownTokenWaiting(t *testing.T) {
	i := newIntrospector(t)
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	good := answering(jsonOf(claimsWith(obj{"active": true})))
	var hanging atomic.Int64
	i.answer.Store(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("token") == opaque {
			good(w, r)
			return
		}
		hanging.Add(1)
		<-release
		answering(`{"active":false}`)(w, r)
	}))
	v := i.verifier(t, func(v *gatehouse.IntrospectionVerifier) { v.CacheFor = -1 })
	if got := verdictOn(t, v, bearer(opaque)); got != "" {
		t.Fatalf("got %s", got)
	}
	var wg sync.WaitGroup
	var away atomic.Int64
	for n := range 1200 {
		wg.Go(func() {
			if _, err := v.Verify(context.Background(), bearer(fmt.Sprintf("oat_flood-%012d", n))); !errors.Is(err, gatehouse.ErrNotMine) {
				away.Add(1)
			}
		})
	}
	settle(t, func() bool { return away.Load() >= 1200-1024 && hanging.Load() == 32 })
	asked := i.asked.Load()
	if got := verdictOn(t, v, bearer(opaque)); got != "" || i.asked.Load() != asked+1 {
		t.Errorf("got %q in the flood, want the identity, asked for anew", got)
	}
	free()
	wg.Wait()
}

func TestRefusalsFromMemoryAreNobodyElses(t *testing.T) {
	i := newIntrospector(t)
	i.say(claimsWith(obj{"active": true, "iss": "https://evil.example"}))
	v := i.verifier(t)
	var first, second *gatehouse.Error
	_, err := v.Verify(t.Context(), bearer(opaque))
	if !errors.As(err, &first) {
		t.Fatal(err)
	}
	first.Challenge.Scope = "of the first"
	if _, err = v.Verify(t.Context(), bearer(opaque)); !errors.As(err, &second) || second.Challenge.Scope != "" {
		t.Errorf("got %v", err)
	}
}

// FuzzIntrospection looks for an answer that is taken for a yes though it is none.
func FuzzIntrospection(f *testing.F) {
	f.Add([]byte(jsonOf(claimsWith(obj{"active": true}))))
	f.Add([]byte(`{"active":false,"Active":true}`))
	f.Add([]byte(`{"active":"true","iss":"https://idp.example.com","aud":"https://mcp.example.com/mcp","sub":"ada","exp":1}`))
	f.Add([]byte(`{"active":true,"active":false}`))
	i := newIntrospector(f)
	v := i.verifier(f, func(v *gatehouse.IntrospectionVerifier) { v.CacheFor, v.HTTP = -1, i.Client() })
	f.Fuzz(func(t *testing.T, answer []byte) {
		i.answer.Store(answering(string(answer)))
		who, err := v.Verify(t.Context(), bearer(opaque))
		if (who == nil) == (err == nil) {
			t.Fatalf("got %v beside %v", who, err)
		}
		if who == nil {
			return
		}
		if who.Issuer != theirURL || who.Subject == "" || !who.Expires.After(noon.Add(-2*time.Minute)) || !bytes.Contains(answer, []byte("true")) {
			t.Fatalf("%q gives %+v", answer, who)
		}
	})
}
