package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// traffic is everybody who calls, until it is stopped.
type traffic struct {
	stop context.CancelFunc
	work sync.WaitGroup
}

// roles are what callers do, again and again.
func roles() []func(*caller, context.Context, *key) error {
	return []func(*caller, context.Context, *key) error{
		(*caller).modern, (*caller).older, (*caller).signing, (*caller).oldest, (*caller).streaming,
		(*caller).modern, (*caller).hostile, (*caller).older, (*caller).slow, (*caller).ghostly, (*caller).signing, (*caller).modern,
	}
}

// begin lets callers in.
func (w *world) begin(ctx context.Context) *traffic {
	ctx, stop := context.WithCancel(ctx)
	t := &traffic{stop: stop}
	for n := range w.s.clients {
		t.work.Go(func() {
			c := w.newCaller(n + 1)
			defer c.http.CloseIdleConnections()
			role := roles()[n%len(roles())]
			for ctx.Err() == nil {
				k := w.ledger.caller(c.dice)
				if err := role(c, ctx, k); err != nil && ctx.Err() == nil {
					w.report.count("errors of clients", 1) // restarts and faults cut connections
					sleep(ctx, 200*time.Millisecond)
				}
				c.pause(ctx)
			}
		})
	}
	t.work.Go(func() { w.steady(ctx) })
	return t
}

// end sends all callers away, and waits until they have gone.
func (t *traffic) end() {
	t.stop()
	t.work.Wait()
}

// steady keeps streams open with a key that stays good, one of each kind. What
// ends them is a fault of something.
func (w *world) steady(ctx context.Context) {
	var work sync.WaitGroup
	for i, open := range []func(*caller) error{
		func(c *caller) error { return c.watch(ctx, w.canaryKey(), old) },
		func(c *caller) error { return c.listen(ctx, w.canaryKey(), notes) },
		func(c *caller) error { return c.watch(ctx, w.canaryKey(), local) },
		func(c *caller) error { return c.converse(ctx, w.canaryKey(), events, 1<<20) },
	} {
		work.Go(func() {
			c := w.newCaller(200 + i)
			defer c.http.CloseIdleConnections()
			for ctx.Err() == nil {
				_ = open(c)
				sleep(ctx, 200*time.Millisecond)
			}
		})
	}
	work.Wait()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (c *caller) pause(ctx context.Context) {
	sleep(ctx, time.Duration(5+c.dice.IntN(60))*time.Millisecond)
}

// tool picks one, now and then one that the key may not call.
func (c *caller) tool(k *key) string {
	if len(k.tools) > 0 && c.dice.IntN(8) > 0 {
		return k.tools[c.dice.IntN(len(k.tools))]
	}
	all := toolNames()
	return all[c.dice.IntN(len(all))]
}

func (c *caller) args(tool string) arguments {
	switch tool {
	case "big":
		return arguments{Size: 1 << (8 + c.dice.IntN(11))}
	case "slow":
		return arguments{Wait: c.dice.IntN(400)}
	}
	return arguments{}
}

func (c *caller) one(of ...string) string { return of[c.dice.IntN(len(of))] }

// modern calls as 2026-07-28 does.
func (c *caller) modern(ctx context.Context, k *key) error {
	for range 1 + c.dice.IntN(20) {
		server, tool := c.one(notes, notes, local, extra), c.tool(k)
		if server == extra {
			tool = "echo"
		}
		if c.dice.IntN(10) == 0 {
			body, header := c.request(true, "tools/list", "", "")
			a, err := c.ask(ctx, "/"+server, k.secret, body, header)
			if err != nil {
				return err
			}
			c.listed(k, a)
			continue
		}
		if _, a, err := c.callIn(ctx, nil, k, server, tool, c.args(tool)); err != nil || a.code == "GH-1502" {
			return err
		}
		c.pause(ctx)
	}
	return nil
}

// listed judges a list of tools: what the key may not call is not in it.
func (c *caller) listed(k *key, a *answer) {
	if a.status != http.StatusOK || len(k.tools) == 0 {
		return
	}
	for _, tool := range toolNames() {
		if !k.may(tool) && strings.Contains(string(a.body), fmt.Sprintf(`"name":%q`, tool)) {
			c.w.report.fail("key %s was shown %s, which is none of its tools %v", k.id, tool, k.tools)
		}
	}
}

// older has a session, deleted at the end or, now and then, abandoned.
func (c *caller) older(ctx context.Context, k *key) error {
	server := c.one(old, old, notes, events, local)
	s, err := c.open(ctx, k, server)
	if s == nil || err != nil {
		return err
	}
	if c.dice.IntN(4) == 0 && (server != local || c.dice.IntN(4) == 0) {
		c.w.abandon(s)
		c.w.report.count("sessions abandoned", 1)
	} else {
		defer c.end(context.WithoutCancel(ctx), s)
	}
	for range 1 + c.dice.IntN(12) {
		tool := c.tool(k)
		if _, a, err := c.callIn(ctx, s, k, server, tool, c.args(tool)); err != nil || a.status == http.StatusNotFound || a.code == "GH-1502" {
			return err
		}
		c.pause(ctx)
	}
	return nil
}

// oldest speaks HTTP+SSE.
func (c *caller) oldest(ctx context.Context, k *key) error {
	return c.converse(ctx, k, c.one(notes, events, local), 1+c.dice.IntN(8))
}

// streaming keeps a stream open for a while.
func (c *caller) streaming(ctx context.Context, k *key) error {
	ctx, stop := context.WithTimeout(ctx, time.Duration(1+c.dice.IntN(15))*time.Second)
	defer stop()
	var err error
	if c.dice.IntN(2) == 0 {
		err = c.listen(ctx, k, c.one(notes, local))
	} else {
		err = c.watch(ctx, k, c.one(old, local))
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// ghostly tries keys that are over.
func (c *caller) ghostly(ctx context.Context, k *key) error {
	ghost := c.w.ledger.ghost(c.dice)
	if ghost == nil {
		return c.modern(ctx, k)
	}
	server := c.one(notes, old, local, events)
	if c.dice.IntN(3) == 0 {
		err := c.converse(ctx, ghost, server, 1)
		if strings.Contains(fmt.Sprint(err), errNoStream.Error()) {
			return nil
		}
		return err
	}
	_, _, err := c.callIn(ctx, nil, ghost, server, "echo", arguments{})
	sleep(ctx, time.Duration(c.dice.IntN(400))*time.Millisecond)
	return err
}

// hostile comes with no key, a made up one, or with bodies that are broken.
func (c *caller) hostile(ctx context.Context, k *key) error {
	x := c.newCall(nil, c.one(notes, old, local, events, extra), "echo")
	body, header := c.callOf(c.dice.IntN(2) == 0, x, arguments{})
	secret := c.one("", "gthk_"+strings.Repeat("a", 60), k.secret[:len(k.secret)-1], k.secret+"x", "Basic", k.id)
	if c.dice.IntN(2) == 0 { // a good key, and a message that must not pass
		secret = k.secret
		body = c.one(body[:len(body)/2], strings.Replace(body, `"id"`, `"id":7,"id"`, 1), strings.Replace(body, "tools/call", "tools/Call", 1),
			"["+body+",", `{}`, strings.Replace(body, "{", `{"\ud800":1,`, 1), strings.Repeat("[", 200), strings.Replace(body, `"2.0"`, `"1.0"`, 1))
	}
	path := "/" + x.server
	if c.dice.IntN(10) == 0 {
		path = c.one("/"+x.server+"/%2e%2e/notes", "//notes", "/"+x.server+"?api_key="+k.id, "/nothing", "/-/metrics")
		secret = ""
	}
	a, err := c.ask(ctx, path, secret, body, header)
	if err == nil && a.status == http.StatusOK && strings.Contains(string(a.body), x.nonce) {
		c.w.report.fail("wrong admission: %s got a good answer: %.200s", body, a.body)
	}
	sleep(ctx, time.Duration(c.dice.IntN(100))*time.Millisecond)
	return err
}

// slow takes a long answer a little at a time and leaves in the middle, or
// sends half a request and waits.
func (c *caller) slow(ctx context.Context, k *key) error {
	ctx, stop := context.WithTimeout(ctx, time.Duration(500+c.dice.IntN(4000))*time.Millisecond)
	defer stop()
	if c.dice.IntN(3) == 0 {
		c.half(ctx)
		return nil
	}
	x := c.newCall(k, c.one(notes, old, local), "big")
	body, header := c.callOf(x.server != old, x, arguments{Size: 3 << 20})
	res, err := c.send(ctx, http.MethodPost, "/"+x.server, k.secret, body, header)
	if err != nil {
		return nil //nolint:nilerr // it was to be slow, not to succeed
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		_, err := c.read(res)
		return err
	}
	buffer := make([]byte, 4<<10)
	for ctx.Err() == nil {
		if _, err := io.ReadFull(res.Body, buffer); err != nil {
			return nil //nolint:nilerr // as above
		}
		sleep(ctx, 30*time.Millisecond)
	}
	c.w.report.count("slow readers", 1)
	return nil
}

// half sends the beginning of a request, over a connection without TLS, and waits.
func (c *caller) half(ctx context.Context) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.w.listen)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	text := slices.Concat([]byte("POST /notes HTTP/1.1\r\nHost: "+c.w.listen+"\r\nContent-Length: 400\r\n"), []byte("Authorization: Bearer nobody\r\n\r\n{"))
	_, _ = conn.Write(text[:c.dice.IntN(len(text))])
	<-ctx.Done()
	c.w.report.count("half requests", 1)
}
