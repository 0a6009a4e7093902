package signin

import (
	"context"
	"crypto/subtle"
	"net"
	"net/http"
	"strconv"
	"time"
)

// callback is the door that the browser comes back to after a sign-in: on this
// machine only, for one answer. RFC 8252 §7.3, §8.3
type callback struct {
	listener net.Listener
	server   *http.Server
}

const callbackPath = "/callback"

// listenBack listens on a port of the loopback address; 0: any. The address is
// written as a number: "localhost" may lead elsewhere.
func listenBack(ctx context.Context, port int) (*callback, error) {
	l, err := (&net.ListenConfig{Control: alone}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, because(CodeSettings, err, "Port %d of this machine, which the browser has to come back to, cannot be used.", port)
	}
	return &callback{listener: l}, nil
}

func (b *callback) redirect() string { return "http://" + b.listener.Addr().String() + callbackPath }

func (b *callback) close() {
	if b.server != nil {
		_ = b.server.Close() // the answer's page was written before
	}
	_ = b.listener.Close()
}

// answer is what the browser brought.
type answer struct {
	code, issuer       string
	fault, description string
	verdict            chan<- error
	shown              <-chan struct{}
}

// tell has the page say how it ended, and waits until it was sent.
func (a answer) tell(err error) {
	a.verdict <- err
	select {
	case <-a.shown:
	case <-time.After(2 * time.Second):
	}
}

// serve waits for the answer to the sign-in with this state. What else comes, of
// other programs or pages, is refused, and the wait goes on.
func (b *callback) serve(state string) <-chan answer {
	answers := make(chan answer) // one is taken
	taken := make(chan struct{}, 1)
	host := b.listener.Addr().String()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		given := q.Get("state")
		// A page of another origin that is named so that it leads here has another
		// Host; one that sends a form has an Origin.
		if r.Method != http.MethodGet || r.URL.Path != callbackPath || r.Host != host || r.Header.Get("Origin") != "" || len(q["state"]) != 1 ||
			len(q["code"]) > 1 || len(q["iss"]) > 1 || len(q["error"]) > 1 || subtle.ConstantTimeCompare([]byte(given), []byte(state)) != 1 {
			page(w, http.StatusBadRequest, leaf{Title: "Not this sign-in", Text: "This is not the sign-in that is waited for. Open the address that was shown last."})
			return
		}
		select {
		case taken <- struct{}{}:
		default:
			page(w, http.StatusBadRequest, leaf{Title: "Not again", Text: "This sign-in has been answered already. You can close this page."})
			return
		}
		verdict, shown := make(chan error, 1), make(chan struct{})
		defer close(shown)
		select {
		case answers <- answer{q.Get("code"), q.Get("iss"), q.Get("error"), q.Get("error_description"), verdict, shown}:
		case <-r.Context().Done():
			<-taken
			return
		}
		if err := <-verdict; err != nil {
			page(w, http.StatusBadRequest, failed(err))
			return
		}
		page(w, http.StatusOK, leaf{Title: "You are signed in", Text: "Go back to your program. You can close this page."})
	})
	b.server = &http.Server{Handler: handler, ReadTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() { _ = b.server.Serve(b.listener) }() // it ends with close
	return answers
}
