package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
	"github.com/gatehouse-mcp/gatehouse/internal/server/gateway"
	"github.com/gatehouse-mcp/gatehouse/internal/upstream"
)

// The first key of an installation.
const (
	devName     = "dev"
	devLifetime = "30d"
)

// upRun is one run of up, once the server runs.
type upRun struct {
	*app
	config  *config.Config
	running *server.Running
	level   *slog.LevelVar // of the log

	key   *adminapi.Key // with its secret if it was made just now
	found gateway.Description
}

// prepare does what must be true before anybody is told that the server is ready.
func (u *upRun) prepare(ctx context.Context) error {
	if err := u.refuses(ctx); err != nil {
		return err
	}
	if err := u.meet(ctx); err != nil {
		return err
	}
	return u.firstKey(ctx)
}

// refuses sends a call without a credential, as anybody could, and wants it refused.
func (u *upRun) refuses(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	// The refusal is what we want; in the log it would look like an intruder.
	defer u.level.Set(u.level.Level())
	u.level.Set(slog.LevelError)
	host, port, err := net.SplitHostPort(u.running.Address)
	if err != nil {
		return fmt.Errorf("own address: %w", err)
	}
	if !config.Loopback(host) {
		host = "localhost" // listening on every address, or on one that is not among our names
	}
	path := orElse(u.config.Servers[0].Path, config.DefaultPath)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+net.JoinHostPort(host, port)+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("own URL: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	way := &http.Transport{
		DisableKeepAlives: true,
		// To where we listen, whatever localhost means here; and past no proxy.
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", u.running.Address)
		},
	}
	res, err := way.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask ourselves without a key: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusUnauthorized {
		return &fault{exitFailure, "GH-1901", fmt.Sprintf("A call without a key was answered with %d, not 401. Nothing is served; please report this.", res.StatusCode)}
	}
	return nil
}

// meet waits until the MCP server answers, and learns what it is.
func (u *upRun) meet(ctx context.Context) error {
	outer := ctx
	ctx, stop := u.within(ctx, upWait(u.config))
	defer stop()
	spin := u.spin("waiting for " + u.config.Servers[0].Name)
	defer spin()
	for {
		var err error
		if u.found, err = u.running.Describe(ctx); err == nil {
			return nil
		}
		away := errors.Is(err, upstream.ErrUnreachable) || errors.Is(err, upstream.ErrBroken)
		if outer.Err() != nil {
			return outer.Err()
		}
		if !away || ctx.Err() != nil {
			return u.absent(err, ctx.Err() != nil)
		}
		select {
		case <-ctx.Done():
			return u.absent(err, true)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// absent says why there is no MCP server.
func (u *upRun) absent(err error, late bool) error {
	s := u.config.Servers[0]
	silent := errors.Is(err, context.DeadlineExceeded)
	waited := cmp.Or(u.timeout, upWait(u.config))
	var refused *adminapi.Error
	switch {
	case errors.As(err, &refused):
		return err
	case s.Stdio != nil && late && silent:
		return &fault{exitNetwork, "GH-2302", fmt.Sprintf("%q did not answer within %s. Is it an MCP server? Wait longer with --timeout 5m.", strings.Join(s.Stdio.Command, " "), waited)}
	case s.Stdio != nil && late:
		return &fault{exitFailure, "GH-2302", fmt.Sprintf("%q did not answer within %s: %v. Wait longer with --timeout 5m.", strings.Join(s.Stdio.Command, " "), waited, err)}
	case s.Stdio != nil:
		return &fault{exitFailure, "GH-2302", sentence(err.Error())}
	case late && silent:
		return &fault{exitNetwork, "GH-1603", fmt.Sprintf("%s did not answer within %s. Is it an MCP server? Wait longer with --timeout 1m.", s.URL, waited)}
	case late:
		return &fault{exitNetwork, "GH-1601", fmt.Sprintf("%s cannot be reached: %s. Start the server, or correct the URL.", s.URL, strings.TrimPrefix(err.Error(), upstream.ErrUnreachable.Error()+": "))}
	}
	if errors.Is(err, server.ErrCredential) && (s.Forward.Authorization != "" || s.Forward.Identity == config.IdentityJWT) {
		return &fault{exitFailure, "GH-1602", fmt.Sprintf("%s refuses what Gatehouse signs in with: %v. Correct the forward of server %s.", s.URL, err, s.Name)}
	}
	if errors.Is(err, server.ErrCredential) {
		return &fault{exitFailure, "GH-1602", fmt.Sprintf("%s cannot be protected: %v, and Gatehouse has none to send. Let it take calls from this machine without one.", s.URL, err)}
	}
	return &fault{exitFailure, "GH-1604", fmt.Sprintf("%s does not speak MCP: %v. Is the path right?", s.URL, err)}
}

// firstKey makes a key if there is none that would let anybody in.
func (u *upRun) firstKey(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, commandWait)
	defer stop()
	c := &adminapi.Client{Transport: u.running.Admin}
	list, err := c.Keys(ctx, "")
	if err != nil {
		return err
	}
	alive := slices.DeleteFunc(list, func(k adminapi.Key) bool { return k.State != "active" && k.State != "retiring" })
	for i := range alive {
		if u.key == nil || alive[i].Name == devName && u.key.Name != devName {
			u.key = &alive[i]
		}
	}
	if u.key != nil {
		return nil
	}
	u.key, err = c.CreateKey(ctx, adminapi.NewKey{Name: devName, Expires: devLifetime})
	return err
}

// held keeps the log back until the summary is written, so that a person sees
// that first.
type held struct {
	to io.Writer

	mu   sync.Mutex
	open bool
	kept bytes.Buffer
}

// Write implements io.Writer.
func (h *held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open {
		return h.to.Write(p)
	}
	return h.kept.Write(p)
}

// release writes what was kept, and from now on everything at once.
func (h *held) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = true
	_, _ = h.kept.WriteTo(h.to)
}

// spin shows a person that something is going on, with the time from two
// seconds on. Call what it returns when it is over.
func (u *upRun) spin(what string) (stop func()) {
	if u.quiet || u.json || !terminal(u.err) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var over sync.WaitGroup
	over.Go(func() {
		began := u.now()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				_, _ = io.WriteString(u.err, "\r\x1b[K")
				return
			case <-tick.C:
			}
			elapsed := ""
			if d := u.now().Sub(began); d >= 2*time.Second {
				elapsed = fmt.Sprintf(" %d s", int(d.Seconds()))
			}
			_, _ = fmt.Fprintf(u.err, "\r\x1b[K%c %s …%s", []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[i%10], what, elapsed)
		}
	})
	return func() { cancel(); over.Wait() }
}
