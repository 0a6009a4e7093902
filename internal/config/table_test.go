package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// held walks the table along the shape: every field has a setting, and every
// setting a field.
func held(t *testing.T, settings []setting, owner reflect.Type, path string, seen map[string]bool) {
	t.Helper()
	for i := range settings {
		s := &settings[i]
		if s.planned {
			continue
		}
		at := joined(path, s.key)
		if s.doc == "" || !strings.HasSuffix(s.doc, ".") {
			t.Errorf("%s: its meaning %q is no sentence", at, s.doc)
		}
		switch {
		case s.field == "" && s.within != nil:
			held(t, s.within, owner, at, seen)
			continue
		case s.field == "":
			continue
		}
		f, ok := owner.FieldByName(s.field)
		if !ok {
			t.Errorf("%s: there is no field %s in %s", at, s.field, owner)
			continue
		}
		seen[owner.String()+"."+s.field] = true
		if s.named {
			seen[f.Type.Elem().String()+".Name"] = true
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if s.within != nil {
			held(t, s.within, inner, at, seen)
		}
	}
	for i := range owner.NumField() {
		f := owner.Field(i)
		if f.IsExported() && !seen[owner.String()+"."+f.Name] {
			t.Errorf("%s.%s has no setting under %q", owner, f.Name, path)
		}
	}
}

func TestTableHoldsTheWholeShape(t *testing.T) {
	seen := map[string]bool{}
	// The fields of a server's limits are its own.
	held(t, upstreamSettings[len(upstreamSettings)-2].within, reflect.TypeFor[struct{ PerTool []ToolRate }](), "servers[].limits", seen)
	seen["config.Upstream.PerTool"] = true
	held(t, without(root, "limits"), reflect.TypeFor[Config](), "", seen)
}

// without leaves the grouping of servers[].limits out, which is held by itself.
func without(settings []setting, key string) []setting {
	all := make([]setting, 0, len(settings))
	for _, s := range settings {
		if s.key == key && s.field == "" {
			continue
		}
		s.within = without(s.within, key)
		if len(s.within) == 0 {
			s.within = nil
		}
		all = append(all, s)
	}
	return all
}

// TestDefaultsAreWhatTheTableSays reads a file that says as little as it can.
func TestDefaultsAreWhatTheTableSays(t *testing.T) {
	c := parsed(t, base+"server: {tls: {acme: {accept_tos: true, dns: {server: 'h:53', key_name: k, key: '${LONG}'}}}}\naudit: {arguments: {tools: [x]}}\n", outside)
	want := map[string]string{}
	var gather func(settings []setting, path string)
	gather = func(settings []setting, path string) {
		for i := range settings {
			s := &settings[i]
			at := joined(path, s.key)
			if at == "servers" {
				at = "servers[a]"
			}
			if s.def != "" && s.field != "" {
				want[at] = s.def
			}
			gather(s.within, at)
		}
	}
	gather(root, "")
	found := 0
	for _, s := range c.Settings() {
		def := want[s.Path]
		if def == "" {
			continue
		}
		found++
		if got := s.Text(); got != def {
			t.Errorf("%s: got %s, the table says %s", s.Path, got, def)
		}
		if s.Origin != "default" {
			t.Errorf("%s: got origin %q", s.Path, s.Origin)
		}
	}
	if found < 25 {
		t.Errorf("only %d defaults were compared", found)
	}
}

func TestEverythingIsReadAndShown(t *testing.T) {
	text, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parsed(t, string(text), outside)
	if err := c.Check(); err != nil {
		t.Fatalf("Check: %v", err)
	}
	for _, s := range c.Settings() {
		byPreset := strings.HasPrefix(s.Path, "auth.issuers[") && !strings.HasPrefix(s.Path, "auth.issuers[own]") || strings.HasPrefix(s.Path, "auth.embedded.login[") && !strings.Contains(s.Path, "[own].allow")
		if s.Value == nil && !byPreset && !strings.Contains(s.Path, "acme") && !unsaid[s.Path] && !strings.HasPrefix(s.Path, "policy.rules[") {
			t.Errorf("%s was not read", s.Path)
		}
		if text := s.Text() + s.Origin; strings.Contains(text, "from-outside") || strings.Contains(text, "canary") {
			t.Errorf("%s shows a secret: %s", s.Path, text)
		}
	}
	again := parsed(t, string(text), outside)
	again.Complete()
	if !reflect.DeepEqual(c, again) || c.Hash() != again.Hash() {
		t.Error("completing again changes something")
	}
}

// unsaid are left out of testdata/everything.yaml, because others exclude them.
var unsaid = map[string]bool{
	"servers[files].stdio.env.EMPTY": true, "servers[crm].stdio": true, "servers[files].url": true, "servers[files].transport": true, "servers[files].sse": true, "servers[files].policy": true,
	"servers[files].forward.tenant_header": true, "servers[files].forward.authorization": true, "servers[files].tenants": true,
	"servers[crm].policy.rules[read].name": true, "servers[files].forward.upstream_token": true, "servers[crm].forward.upstream_token": true,
	"auth.embedded.login[own].allow.orgs": true, "auth.embedded.login[own].allow.teams": true,
	"auth.issuers[own].keys.file": true, "auth.issuers[own].reject_if[1].equals": true, "auth.issuers[own].bind_tenant": true,
	"tenants.resolve[0].claim": true, "tenants.resolve[1].claim": true, "scopes.notes:read.includes": true, "scopes.notes.admin.includes": true,
}

func TestHashTellsConfigurationsApart(t *testing.T) {
	with := func(token, limit string) *Config {
		o := Outside{Lookup: func(string) (string, bool) { return token, true }}
		return parsed(t, "version: 1\nservers: [{name: a, url: 'http://127.0.0.1:1/', forward: {authorization: 'Bearer ${T}'}}]\nauth: {api_keys: {}}\npolicy: {default: allow}\nlimits: {per_key: "+limit+"}\n", o)
	}
	a := with("one", "60/min")
	if a.Hash() != with("one", "60/min").Hash() || a.Hash() == with("one", "61/min").Hash() || a.Hash() == with("two", "60/min").Hash() || len(a.Hash()) != 8 {
		t.Errorf("hashes: %s", a.Hash())
	}
	got := Diff(a.Settings(), with("two", "off").Settings())
	if len(got) != 2 || got[0].String() != "~ servers[a].forward.authorization: another secret" || got[1].String() != "~ limits.per_key: 60/min → off" {
		t.Errorf("got %v", got)
	}
	if got := Diff(a.Settings(), a.Settings()); len(got) != 0 {
		t.Errorf("got %v, want no difference", got)
	}
}
