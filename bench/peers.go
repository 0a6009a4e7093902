package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
	"time"
)

// peer is one row of the table: how it is started and spoken to.
type peer struct {
	name  string
	start func(y *yard, dir string) (*target, error) // nil: the server itself
	again bool                                       // another row of a program whose start and memory are known
}

// target is a started peer.
type target struct {
	address  string
	programs []*program // the proxy and its helpers
	keys     []string   // credentials, each for at most perKey streams; empty: nobody asks for one
}

func (t *target) stop() {
	for _, p := range t.programs {
		p.stop()
	}
}

// pids returns the processes whose work is the peer's.
func (t *target) pids() []int {
	var pids []int
	for _, p := range t.programs {
		pids = append(pids, family(p.cmd.Process.Pid)...)
	}
	return pids
}

const (
	nameDirect = "no proxy"
	nameG      = "Go httputil.ReverseProxy, tuned (G)"
	nameN      = "nginx proxy_pass (N)"
	nameOwn    = "Gatehouse's forwarding, no checks"
	nameKey    = "Gatehouse, key"
	nameNarrow = "Gatehouse, key with tool patterns"
)

func allPeers() []*peer {
	return []*peer{
		{name: nameDirect},
		{name: nameG, start: self("reverseproxy")},
		{name: nameN, start: nginx(false)},
		{name: "nginx auth_request → Go key check", start: nginx(true)},
		{name: "HAProxy jwt_verify RS256", start: haproxy},
		{name: nameOwn, start: self("forward")},
		{name: nameKey, start: (&gatehouse{}).start},
		{name: nameNarrow, start: (&gatehouse{tools: "echo,tick*,get_*,list_*"}).start, again: true},
	}
}

// yard is where the peers run.
type yard struct {
	settings
	ctx   context.Context
	dir   string
	peers []*peer
	up    map[*peer]*target // started for the phases that interleave
	echo  string            // address of the MCP server
	echoP *program

	measured time.Duration // in all, and of it:
	foreign  time.Duration // what others took of the proxies' core
}

// open starts the server and every peer, and has each answer once.
func (y *yard) open() (err error) {
	for _, p := range allPeers() {
		if p.name == nameDirect || p.name == nameG || p.name == nameN || y.only.MatchString(p.name) {
			y.peers = append(y.peers, p)
		}
	}
	if y.echo, err = freeAddress(); err != nil {
		return err
	}
	if y.echoP, err = y.self(y.driver, "echo", y.echo); err != nil {
		return err
	}
	y.up = map[*peer]*target{}
	for i, p := range y.peers {
		dir := filepath.Join(y.dir, fmt.Sprint(i))
		t, err := y.begin(p, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		y.up[p] = t
		fmt.Fprintf(os.Stderr, "bench: %s is up\n", p.name)
	}
	return nil
}

// begin starts a peer in a directory and waits for its first right answer.
func (y *yard) begin(p *peer, dir string) (*target, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	t := &target{address: y.echo}
	if p.start != nil {
		var err error
		if t, err = p.start(y, dir); err != nil {
			return nil, err
		}
	}
	return t, y.await(t)
}

// await asks until the answer is right.
func (y *yard) await(t *target) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := askOnce(y.ctx, t)
		if err == nil || time.Now().After(deadline) || y.ctx.Err() != nil {
			return err
		}
		time.Sleep(200 * time.Microsecond)
	}
}

func (y *yard) stopAll() {
	for _, t := range y.up {
		t.stop()
	}
	if y.echoP != nil {
		y.echoP.stop()
	}
}

// self starts this program in another role.
func (y *yard) self(core int, role ...string) (*program, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(y.ctx, y.dir, core, append([]string{path}, role...)...)
}

// self returns how a peer that this program plays is started.
func self(role string) func(*yard, string) (*target, error) {
	return func(y *yard, _ string) (*target, error) {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p, err := y.self(y.proxies, role, address, y.echo)
		return &target{address: address, programs: []*program{p}}, err
	}
}

//go:embed peers
var configurations embed.FS

// configure writes a peer's configuration file and returns its path.
func configure(dir, name string, data map[string]any) (string, error) {
	t, err := template.ParseFS(configurations, "peers/"+name)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, b.Bytes(), 0o600)
}

// nginx returns how nginx is started, with or without a check of keys.
func nginx(check bool) func(*yard, string) (*target, error) {
	return func(y *yard, dir string) (*target, error) {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		t := &target{address: address}
		data := map[string]any{"Root": os.Getuid() == 0, "Dir": dir, "Address": address, "Echo": y.echo}
		if check {
			t.keys = []string{"a-key-that-is-as-long-as-one-of-gatehouse-0000000000000000000000000000"}
			at, err := freeAddress()
			if err != nil {
				return nil, err
			}
			helper, err := y.self(y.proxies, "keycheck", at, t.keys[0])
			if err != nil {
				return nil, err
			}
			t.programs = append(t.programs, helper)
			data["Check"] = at
		}
		path, err := configure(dir, "nginx.conf", data)
		if err != nil {
			return nil, err
		}
		p, err := start(y.ctx, y.dir, y.proxies, "nginx", "-p", dir, "-e", "stderr", "-c", path)
		if err == nil {
			t.programs = append(t.programs, p)
		}
		return t, err
	}
}

// haproxy starts HAProxy, which lets holders of a JWT through.
func haproxy(y *yard, dir string) (*target, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	token, public, err := newToken(time.Now())
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "public.pem"), public, 0o600); err != nil {
		return nil, err
	}
	path, err := configure(dir, "haproxy.cfg", map[string]any{"Dir": dir, "Address": address, "Echo": y.echo})
	if err != nil {
		return nil, err
	}
	p, err := start(y.ctx, y.dir, y.proxies, "haproxy", "-db", "-f", path)
	return &target{address: address, programs: []*program{p}, keys: []string{token}}, err
}
