package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// change reloads, and sees to it that only streams of servers that it is about end.
func (p *plan) change(ctx context.Context, next rules, about ...string) error {
	w := p.w
	before := w.streams.of(func(o *opened) bool { return o.key == w.canaryKey() && !slices.Contains(about, o.server) })
	if err := w.change(ctx, next, p.dice.IntN(ways)); err != nil {
		return err
	}
	sleep(ctx, 1500*time.Millisecond)
	for _, o := range before {
		if !w.streams.still(o) && ctx.Err() == nil {
			return fmt.Errorf("a reload that has nothing to do with %s ended a stream of it", o.server)
		}
	}
	w.report.count("streams held across reloads", int64(len(before)))
	return nil
}

// changeRules forbids a tool or permits it again, to all or to one tenant.
func (p *plan) changeRules(ctx context.Context) (string, error) {
	next := p.w.rules.clone()
	tool := []string{"read_a", "write_a", "write_b", "big"}[p.dice.IntN(4)]
	tenant := append(p.w.ledger.tenants, "")[p.dice.IntN(len(p.w.ledger.tenants)+1)]
	what := next.deny(tool, tenant)
	if p.w.rules.Denied[what] != "" || len(next.Denied) > 5 {
		if p.w.rules.Denied[what] == "" {
			delete(next.Denied, what)
			what = slices.Sorted(maps.Keys(next.Denied))[p.dice.IntN(len(next.Denied))]
		}
		delete(next.Denied, what)
		return "permits " + what, p.change(ctx, next)
	}
	return "forbids " + what, p.change(ctx, next)
}

func (p *plan) changeLimits(ctx context.Context) (string, error) {
	next := p.w.rules.clone()
	next.PerKey = []string{"6000/min", "3000/min", "off"}[p.dice.IntN(3)]
	next.PerTool = []string{"", "60/min", "10/min"}[p.dice.IntN(3)]
	next.Streams = 50 + p.dice.IntN(20)
	return next.PerKey + ", a tool " + next.PerTool, p.change(ctx, next)
}

func (p *plan) changeServer(ctx context.Context) (string, error) {
	next := p.w.rules.clone()
	next.Extra = !next.Extra
	return fmt.Sprintf("extra: %t", next.Extra), p.change(ctx, next, extra)
}

func (p *plan) changeUpstream(ctx context.Context) (string, error) {
	next := p.w.rules.clone()
	next.Second = !next.Second
	return fmt.Sprintf("second address of notes: %t", next.Second), p.change(ctx, next, notes)
}

// breakFile writes a file that would permit everything, had it not a mistake.
func (p *plan) breakFile(ctx context.Context) (string, error) {
	w := p.w
	good, broken := w.rules, w.rules.clone()
	broken.Denied = map[string]string{}
	broken.Mistake = []string{"polcy: {default: allow}", "auth: {}", "limits: [", "admin: {listen: 127.0.0.1:1}"}[p.dice.IntN(4)]
	if err := w.write(broken); err != nil {
		return "", err
	}
	err := w.reload(ctx, byCommand, "")
	text, herr := w.house.operators(ctx, "/-/ready")
	sleep(ctx, time.Second) // callers find the old rules
	errs := []error{herr}
	if err == nil {
		errs = append(errs, errors.New("a broken file was put in force"))
	}
	if !strings.Contains(text, "degraded") {
		errs = append(errs, fmt.Errorf("/-/ready says %s", text))
	}
	errs = append(errs, w.change(ctx, good, byCommand))
	return broken.Mistake, errors.Join(errs...)
}

// hangUp reloads what has only a comment changed.
func (p *plan) hangUp(ctx context.Context) (string, error) {
	next := p.w.rules.clone()
	next.Addition++
	return "a comment", p.change(ctx, next)
}

func (p *plan) replaceCertificate(ctx context.Context) (string, error) {
	if err := p.w.certify(); err != nil {
		return "", err
	}
	number := p.w.number
	for end := time.Now().Add(10*time.Second + 2*p.w.s.slack); ; sleep(ctx, 100*time.Millisecond) {
		got, err := p.w.serial(ctx)
		switch {
		case err == nil && got == number:
			return "number " + got, nil
		case time.Now().After(end):
			return "", fmt.Errorf("the new certificate is not used: got number %s, %w", got, orElse(err, "of the old one"))
		}
	}
}
