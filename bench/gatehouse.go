package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// perKey is how many streams are opened with one key, and from one address:
// Gatehouse bounds them.
const perKey = 1000

// gatehouse is Gatehouse with some of its features. It is started again with
// the same keys on the same state.
type gatehouse struct {
	tools    string // what the keys may call; empty: everything
	token    string // algorithm of the tokens that callers have instead of keys; empty: they have keys
	cold     bool   // a new token for each call
	rules    bool   // a hundred of them
	limits   bool   // of every kind, high enough for everybody to pass
	audit    bool   // of calls; refusals always are
	strict   bool   // calls are on disk before they are forwarded
	log      bool   // a line for each request, in a file
	identity string // what the server is told of callers: headers or jwt
	tls      bool
	mux      bool // asked over HTTP/2
	before   bool // it is the earlier program

	keys    map[string][]string // by configuration
	issuers map[string]*issuer  // the same
}

// identities are the headers by which the server knows that it was told.
var identities = map[string]string{"headers": "X-Gatehouse-Subject", "jwt": "X-Gatehouse-Identity"}

// start serves a configuration as a service manager would. The first start on a
// state makes keys, and checks that the features are on which are to be measured.
func (g *gatehouse) start(y *yard, dir string) (*target, error) {
	file, err := g.configure(y, dir)
	if err != nil {
		return nil, err
	}
	args := []string{g.program(y), "serve", "--json", "-c", file}
	if !g.log {
		args = append(args, "--quiet")
	}
	p, err := start(y.ctx, y.dir, y.proxies, args...)
	if err != nil {
		return nil, err
	}
	t := &target{programs: []*program{p}, mux: g.mux}
	if g.tls {
		t.tls = y.certificate
	}
	if err := g.ready(y, file, t); err != nil {
		t.stop()
		return nil, fmt.Errorf("gatehouse serve: %w", err)
	}
	return t, nil
}

// program is the one that is measured.
func (g *gatehouse) program(y *yard) string {
	if g.before {
		return y.before
	}
	return y.binary
}

// configure writes the configuration, which the state lies beside.
func (g *gatehouse) configure(y *yard, dir string) (string, error) {
	var others []string
	for i := range 97 {
		others = append(others, fmt.Sprintf("tool_%d", i))
	}
	jwks := ""
	if g.token != "" {
		by, err := newIssuer(g.token)
		if err != nil {
			return "", err
		}
		if g.issuers == nil {
			g.issuers = map[string]*issuer{}
		}
		file := filepath.Join(dir, "gatehouse.yaml")
		if g.issuers[file] == nil { // else it is started again
			g.issuers[file] = by
		}
		if jwks, err = g.issuers[file].write(dir); err != nil {
			return "", err
		}
	}
	return configure(dir, "gatehouse.yaml", map[string]any{
		"JWKS": jwks, "Alg": g.token, "Issuer": issuerName, "Resource": resource,
		"Echo": y.echo, "Expect": identities[g.identity], "Identity": g.identity, "Others": others,
		"Rules": g.rules, "Limits": g.limits, "Audit": g.audit, "Strict": g.strict, "TLS": g.tls, "Certificate": y.certificate,
	})
}

// ready waits for the line that Gatehouse prints once it serves.
func (g *gatehouse) ready(y *yard, file string, t *target) error {
	line, err := t.programs[0].line(20 * time.Second)
	if err != nil {
		return fmt.Errorf("%w: %s", err, t.programs[0].tail())
	}
	var ready struct {
		Listen string `json:"listen"`
	}
	if err := json.Unmarshal([]byte(line), &ready); err != nil || ready.Listen == "" {
		return fmt.Errorf("%q: %w", line, err)
	}
	t.address = ready.Listen
	if g.cold {
		t.mint = g.issuers[file].tokens
	}
	if t.keys = g.keys[file]; t.keys != nil {
		return nil
	}
	if t.keys, err = g.create(y, file); err != nil {
		return err
	}
	if g.keys == nil {
		g.keys = map[string][]string{}
	}
	g.keys[file] = t.keys
	return g.prove(y, filepath.Dir(file), t)
}

// create makes keys for all the streams that will be opened.
func (g *gatehouse) create(y *yard, file string) ([]string, error) {
	if by := g.issuers[file]; by != nil {
		return by.tokens(1 + y.streams/perKey)
	}
	var keys []string
	for n := 0; n == 0 || len(keys) < (y.streams+perKey-1)/perKey; n++ {
		args := []string{"key", "create", "--json", "-c", file, "--name", fmt.Sprintf("bench-%d", n)}
		if g.tools != "" {
			args = append(args, "--tools", g.tools)
		}
		out, err := exec.CommandContext(y.ctx, g.program(y), args...).Output()
		if err != nil {
			return nil, fmt.Errorf("%q: %w", args, err)
		}
		var made struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal(out, &made); err != nil {
			return nil, fmt.Errorf("%q printed %q: %w", args, out, err)
		}
		keys = append(keys, made.Key)
	}
	return keys, nil
}

// prove makes a call and looks for what it has to leave behind, and must not:
// a feature that is off by mistake would be measured as a cheap one.
func (g *gatehouse) prove(y *yard, dir string, t *target) error {
	if err := askOnce(y.ctx, t); err != nil {
		return err
	}
	for _, p := range []struct {
		what, file string
		line       string
		want       bool
	}{
		{"the audit trail", filepath.Join(dir, "audit.jsonl"), `"kind":"tool_call"`, g.audit},
		{"a call that is announced in the audit trail", filepath.Join(dir, "audit.jsonl"), `"kind":"tool_call","phase":"intent"`, g.strict},
		{"the log of requests", t.programs[0].log, `"msg":"request"`, g.log},
	} {
		if got := appears(p.file, p.line, p.want); got != p.want {
			return fmt.Errorf("%s: got %v, want %v, in %s", p.what, got, p.want, p.file)
		}
	}
	return nil
}

// appears waits for a text in a file, and if it shall not be there, a while.
func appears(file, text string, want bool) bool {
	patience := 200 * time.Millisecond
	if want {
		patience = 5 * time.Second
	}
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		b, _ := os.ReadFile(file) // it may not be there yet
		if found := bytes.Contains(b, []byte(text)); found || time.Since(began) > patience {
			return found
		}
	}
}
