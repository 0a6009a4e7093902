package main

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// whyOf runs the command over a trail, and returns its exit code and what it wrote.
func whyOf(t *testing.T, path string, args ...string) (code int, text string) {
	t.Helper()
	var out bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &out, now: func() time.Time { return time.Date(2026, 11, 27, 13, 0, 0, 0, time.UTC) }}
	code = a.run(t.Context(), append([]string{"why", "--trail", path}, args...))
	return code, out.String()
}

// trailFile writes events.
func trailFile(t *testing.T, events ...*audit.Event) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := audit.Open(audit.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range events {
		e.Time = time.Date(2026, 11, 27, 12, 0, i, 0, time.UTC)
		if err := l.Write(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// hostile is what a stranger would have a terminal do, in every text of an event.
func hostile(kind, action, request string) *audit.Event {
	const x = "\x1b[2J\x1b]0;owned\x07\r\n\u202eevil\u2066\u2028\u009b31m\U000e0041\x00"
	return &audit.Event{
		Kind: kind, Action: action, Request: request, Server: x, Tenant: x, Subject: x, KeyName: x, Client: x, Issuer: "https://" + x, ClientID: "client" + x, TokenID: "jti",
		Method: x, Name: x, Rules: []string{x}, Status: 403, Code: "GH-1202", Reason: x, Outcome: audit.Refused, Address: netip.MustParseAddr("203.0.113.7"),
		Rights: &audit.Rights{Scopes: []string{x}, Roles: []string{x}}, By: x,
		Detail: map[string]string{"document": x, "provider": x, "redirect": x, "resource": x, "challenge": x, "dropped_1": x, x: x},
	}
}

// TestA167WhyIsHarmlessToATerminal explains events in which every text is hostile.
func TestA167WhyIsHarmlessToATerminal(t *testing.T) {
	var events []*audit.Event
	for _, kind := range []string{config.AuditDenied, config.AuditAuthFailed, config.AuditToolCall, config.AuditAdmin, config.AuditStream} {
		events = append(events, hostile(kind, "\x1b[1m", strings.ToUpper(strings.ReplaceAll(kind, "_", "-"))))
	}
	for _, action := range []string{"discovery", "register", "authorize", "consent", "login", "callback", "code", "token", "refresh", "revoke", "\x1b[1m"} {
		e := hostile(config.AuditSignIn, action, "FLOW")
		if action != "\x1b[1m" {
			e.Outcome = audit.OK
		}
		events = append(events, e)
	}
	path := trailFile(t, events...)
	for _, args := range [][]string{{"DENIED"}, {"AUTH-FAILED"}, {"TOOL-CALL"}, {"ADMIN"}, {"STREAM"}, {"FLOW"}, {"--client", "client", "--since", "2h"}} {
		for _, form := range [][]string{nil, {"--json"}} {
			code, text := whyOf(t, path, append(args, form...)...)
			if code != exitFailure && code != exitOK || !strings.Contains(text, "owned") {
				t.Errorf("%v: got exit %d and %q, want it told", args, code, text)
			}
			for _, c := range text {
				if c != '\n' && !unicode.IsPrint(c) {
					t.Errorf("%v %v: got %q in %q", args, form, c, text)
					break
				}
			}
			if form != nil && !json.Valid([]byte(text)) {
				t.Errorf("%v: got %s, want JSON", args, text)
			}
		}
	}
	if code, text := whyOf(t, path, "\x1b[2J"); code != exitUsage || strings.Contains(text, "\x1b") {
		t.Errorf("got exit %d and %q for an id that is none", code, text)
	}
	if code, text := whyOf(t, path, "--client", "\x1b[2J\u202e"); code != exitNotFound || strings.ContainsAny(text, "\x1b\u202e") {
		t.Errorf("got exit %d and %q for a client that there is not", code, text)
	}
}

func TestWhySaysHowItWentByItsExit(t *testing.T) {
	ok := func(kind, request string) *audit.Event {
		return &audit.Event{Kind: kind, Action: "code", Request: request, Outcome: audit.OK, ClientID: "app"}
	}
	path := trailFile(t,
		ok(config.AuditToolCall, "ALLOWED1"), &audit.Event{Kind: config.AuditToolCall, Request: "BROKEN11", Outcome: audit.Failed}, ok(config.AuditAdmin, "CHANGED1"),
		&audit.Event{Kind: config.AuditAdmin, Request: "CHANGED2", Outcome: audit.Refused}, ok(config.AuditSignIn, "CODE1111"), &audit.Event{Kind: config.AuditDenied, Request: "DENIED11"},
	)
	for args, want := range map[string]int{
		"ALLOWED1": exitOK, "ALLO": exitOK, "BROKEN11": exitFailure, "CHANGED1": exitOK, "CHANGED2": exitFailure, "CODE1111": exitFailure, "DENIED11": exitFailure,
		"NOTHERE1": exitNotFound, "CHANGED": exitUsage, "ALL": exitUsage, "": exitUsage, "ALLOWED1 --client app": exitUsage, "ALLOWED1 CHANGED1": exitFailure,
		"--client app": exitFailure, "--client other": exitNotFound, "--client app --since 1m": exitNotFound, "--client app --since x": exitUsage, "--client app --limit 0": exitUsage,
		"--tool x": exitUsage, "--client app --tool x --user y": exitUsage, "--client app --server x": exitUsage, "gthk_7Qm2Vx9KtB4c_0000000000000000000000000000000000000000000000000": exitUsage,
	} {
		if got, text := whyOf(t, path, strings.Fields(args)...); got != want {
			t.Errorf("why %s: got exit %d, want %d\n%s", args, got, want, text)
		}
	}
	if code, text := whyOf(t, filepath.Join(t.TempDir(), "none.jsonl"), "ALLOWED1"); code != exitNotFound || !strings.Contains(text, "GH-2401") {
		t.Errorf("got exit %d and %s without a trail", code, text)
	}
}
