package main

import (
	"bytes"
	"embed"
	"os"
	"path/filepath"
	"slices"
	"text/template"
	"time"
)

// peer is one row of the table: how it is started and spoken to.
type peer struct {
	name  string
	start func(y *yard, dir string) (*target, error) // nil: the server itself
	brief bool                                       // only its throughput is measured, unless -all is given
	g, n  string                                     // the peers it is compared with as G and N; empty: those without TLS
	over  string                                     // the peer to which it adds one feature; empty: it is none of Gatehouse's
	adds  string                                     // the feature
	now   string                                     // the peer of which this is the earlier program; empty: it is none
}

// target is a started peer.
type target struct {
	address  string
	programs []*program   // the proxy and its helpers
	others   []int        // processes that are its too
	keys     []string     // credentials, each for at most perKey streams; empty: nobody asks for one
	tls      *certificate // its own; nil: it speaks plain HTTP
	mux      bool         // it is spoken to in HTTP/2

	steady bool // no thread of it ever ends, so that their clocks can be summed up

	mint func(n int) ([]string, error) // each call has a credential of its own; nil: those in keys
}

func (t *target) stop() {
	for _, p := range t.programs {
		p.stop()
	}
}

// pids returns the processes whose work is the peer's.
func (t *target) pids() []int {
	pids := slices.Clone(t.others)
	for _, p := range t.programs {
		pids = append(pids, family(p.cmd.Process.Pid)...)
	}
	return pids
}

const (
	nameDirect = "no proxy"
	nameGJWT   = "G with a JWT verified each time, RS256"
	nameCold   = "Gatehouse, cold JWT, RS256"
	nameG      = "Go httputil.ReverseProxy, tuned (G)"
	nameN      = "nginx proxy_pass (N)"
	nameGTLS   = "G with TLS"
	nameNTLS   = "N with TLS"
	nameGMux   = "G with TLS, HTTP/2"
	nameNMux   = "N with TLS, HTTP/2"
	nameOwn    = "Gatehouse's forwarding, no checks"
	nameKey    = "Gatehouse, key"
	nameRules  = "Gatehouse, key, rules"
	nameLimits = "Gatehouse, key, rules, limits"
	nameAudit  = "Gatehouse, key, rules, limits, audit"
	nameJWT    = "Gatehouse, JWT, rules, limits, audit"
	nameLog    = "Gatehouse, key, rules, limits, audit, log"
	nameProd   = "Gatehouse, production: all that with TLS"

	nameProdMux = "Gatehouse, production, HTTP/2"
)

// allPeers are the rows. Each of Gatehouse's has one feature more than another,
// so that the difference is what the feature costs.
func allPeers() []*peer {
	var before []*peer
	gate := func(name, over, adds string, g gatehouse) *peer {
		earlier := g
		earlier.before = true
		before = append(before, &peer{name: name + ", before", start: earlier.start, over: name, adds: "the earlier program: " + name, now: name, brief: true})
		return &peer{name: name, start: g.start, over: over, adds: adds, brief: name != nameAudit && name != nameProd}
	}
	all := gatehouse{rules: true, limits: true, audit: true, log: true}
	strict, headers, jwt, secure, muxed := all, all, all, all, all
	strict.strict, headers.identity, jwt.identity, secure.tls, muxed.tls, muxed.mux = true, "headers", "jwt", true, true, true
	peers := []*peer{
		{name: nameDirect},
		{name: nameG, start: self("reverseproxy")},
		{name: nameN, start: (&nginx{}).start},
		{name: "nginx auth_request → Go key check", start: (&nginx{check: true}).start, brief: true},
		{name: "HAProxy jwt_verify RS256", start: haproxy, brief: true},
		{name: nameGJWT, start: checked, brief: true},
		{name: nameOwn, start: self("forward")},
		gate(nameKey, nameOwn, "key, strict reading, numbers", gatehouse{}),
		gate("Gatehouse, key with patterns", nameOwn, "the same, of 4 patterns", gatehouse{tools: "echo,tick*,get_*,list_*"}),
		gate(nameRules, nameKey, "100 rules", gatehouse{rules: true}),
		gate(nameLimits, nameRules, "4 rates", gatehouse{rules: true, limits: true}),
		gate(nameAudit, nameLimits, "audit of calls", gatehouse{rules: true, limits: true, audit: true}),
		gate(nameJWT, nameAudit, "a token with a scope in place of a key", gatehouse{token: "RS256", rules: true, limits: true, audit: true}),
		gate(nameCold, nameJWT, "a token that was never seen before", gatehouse{token: "RS256", cold: true, rules: true, limits: true, audit: true}),
		gate("Gatehouse, cold JWT, ES256", nameJWT, "the same, ES256", gatehouse{token: "ES256", cold: true, rules: true, limits: true, audit: true}),
		gate("Gatehouse, cold JWT, EdDSA", nameJWT, "the same, EdDSA", gatehouse{token: "EdDSA", cold: true, rules: true, limits: true, audit: true}),
		gate(nameLog, nameAudit, "a log line for each call", all),
		gate("Gatehouse, …, log, audit.strict", nameLog, "calls are on disk before", strict),
		gate("Gatehouse, …, log, identity headers", nameLog, "identity headers", headers),
		gate("Gatehouse, …, log, identity JWT", nameLog, "identity JWT, ES256", jwt),
		{name: nameGTLS, start: secured(self("reverseproxy-tls")), g: nameGTLS, n: nameNTLS},
		{name: nameNTLS, start: secured((&nginx{tls: true}).start), g: nameGTLS, n: nameNTLS},
		compared(gate(nameProd, nameLog, "TLS", secure), nameGTLS, nameNTLS),
		{name: nameGMux, start: muxes(self("reverseproxy-tls")), g: nameGMux, n: nameNMux, brief: true},
		{name: nameNMux, start: muxes((&nginx{tls: true}).start), g: nameGMux, n: nameNMux, brief: true},
		compared(gate(nameProdMux, nameProd, "HTTP/2 in place of HTTP/1.1", muxed), nameGMux, nameNMux),
	}
	return append(peers, before...)
}

// compared says whom a peer is compared with.
func compared(p *peer, g, n string) *peer {
	p.g, p.n = g, n
	return p
}

// self returns how a peer that this program plays is started.
func self(role string) func(*yard, string) (*target, error) {
	return func(y *yard, _ string) (*target, error) {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p, err := y.self(y.proxies, role, address, y.echo, y.certificate.Cert, y.certificate.Key)
		return &target{address: address, programs: []*program{p}}, err
	}
}

// secured returns how a peer is started that is asked over TLS.
func secured(begin func(*yard, string) (*target, error)) func(*yard, string) (*target, error) {
	return func(y *yard, dir string) (*target, error) {
		t, err := begin(y, dir)
		if err == nil {
			t.tls = y.certificate
		}
		return t, err
	}
}

// muxes returns how a peer is started that is asked over HTTP/2.
func muxes(begin func(*yard, string) (*target, error)) func(*yard, string) (*target, error) {
	return func(y *yard, dir string) (*target, error) {
		t, err := secured(begin)(y, dir)
		if err == nil {
			t.mux = true
		}
		return t, err
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

// nginx is nginx with a check of keys, or with TLS, or plain.
type nginx struct{ check, tls bool }

func (n *nginx) start(y *yard, dir string) (*target, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	t := &target{address: address}
	data := map[string]any{"Root": os.Getuid() == 0, "Dir": dir, "Address": address, "Echo": y.echo}
	if n.tls {
		data["TLS"] = y.certificate
	}
	if n.check {
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
