package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// yard is where the peers run.
type yard struct {
	settings
	ctx   context.Context
	dir   string
	peers []*peer
	up    map[*peer]*target // started for the phases that interleave
	echo  string            // address of the MCP server
	echoP *program

	certificate *certificate // of every peer with TLS

	measured time.Duration // in all, and of it:
	foreign  time.Duration // what others took of the proxies' core
}

// open starts the server and every peer, and has each answer once.
func (y *yard) open() (err error) {
	for _, p := range allPeers() {
		if y.wants(p) {
			y.peers = append(y.peers, p)
		}
	}
	if y.certificate, err = newCertificate(y.dir, time.Now()); err != nil {
		return err
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

// wants says whether a peer is measured: one that was named, or that one which
// was is compared with.
func (y *yard) wants(p *peer) bool {
	if p.now != "" { // it goes along with the one that is measured
		return y.before != "" && y.only.MatchString(p.now)
	}
	if p.name == nameDirect || p.name == nameG || p.name == nameN || y.only.MatchString(p.name) {
		return true
	}
	for _, other := range allPeers() {
		if y.only.MatchString(other.name) && (p.name == other.g || p.name == other.n || p.name == other.over) {
			return true
		}
	}
	return false
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
