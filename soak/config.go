package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// rules are what the configuration says and the plan changes.
type rules struct {
	Denied   map[string]string // tools by rule's name: "write_a", or "write_a of one"
	PerKey   string
	PerTool  string
	Strict   bool
	Extra    bool // the server that comes and goes is there
	Second   bool // the notes are reached at their other address
	Mistake  string
	Streams  int
	Addition int // changes what means nothing
}

func (r rules) clone() rules {
	r.Denied = maps.Clone(r.Denied)
	return r
}

// deny has a tool forbidden, of all tenants or of one.
func (r *rules) deny(tool, tenant string) string {
	what := "tool " + tool
	if tenant != "" {
		what += " of " + tenant
	}
	r.Denied[what] = fmt.Sprintf("{name: %q, tools: [%s], effect: deny}", what, tool)
	if tenant != "" {
		r.Denied[what] = fmt.Sprintf("{name: %q, tools: [%s], tenants: [%s], effect: deny}", what, tool, tenant)
	}
	return what
}

var page = template.Must(template.New("gatehouse.yaml").Parse(`version: 1
server:
  listen: {{.W.Listen}}
  public_url: https://{{.W.Listen}}
  max_body: 1MiB
  shutdown_grace: 2s
  tls: {files: {cert: cert.pem, key: key.pem}}
servers:
  - name: notes
    path: /notes
    url: {{.Notes}}
    sse: /notes/sse
    forward: {identity: jwt}
  - name: old
    path: /old
    url: {{.W.URL "old"}}
    forward: {identity: jwt}
  - name: events
    path: /events
    sse: /events/sse
    url: {{.W.URL "events"}}
    transport: sse
    forward: {identity: jwt}
  - name: local
    path: /local
    sse: /local/sse
    stdio: {command: ["{{.W.Self}}", child], env: {SOAK_SEEN: "{{.W.Dir}}/seen.sock"}}
{{- if .R.Extra}}
  - name: extra
    path: /extra
    stdio: {command: ["{{.W.Binary}}", demo-server]}
{{- end}}
auth: {api_keys: {}, embedded: {accounts: true}}
scopes: {"soak:use": {title: Use it, default: true}}
policy:
  default: allow
{{- if .R.Denied}}
  rules:
{{- range .R.Denied}}
    - {{.}}
{{- end}}{{end}}
limits:
  per_key: {{.R.PerKey}}
{{- if .R.PerTool}}
  per_tool: {big: {{.R.PerTool}}}
{{- end}}
  concurrent: {per_key: 400}
  streams: {per_key: {{.R.Streams}} }
  failed_auth: {per_ip: 60/min, ban: 3s}
store: {sqlite: state/gatehouse.db}
audit: {file: {{.W.Dir}}/trail/audit.jsonl, max_size: 1MiB, keep: 25, strict: {{.R.Strict}} }
admin: {listen: 127.0.0.1:0}
{{.R.Mistake}}
# {{.R.Addition}}
`))

// What a template may ask for.
func (w *world) Listen() string         { return w.listen }
func (w *world) Dir() string            { return w.dir }
func (w *world) Self() string           { return w.program }
func (w *world) Binary() string         { return w.house.binary }
func (w *world) URL(name string) string { return w.behind[name].self }

// write puts a configuration in place.
func (w *world) write(r rules) error {
	text, err := w.text(r)
	if err != nil {
		return err
	}
	return replace(w.file, text)
}

// text is the configuration that has these rules.
func (w *world) text(r rules) (string, error) {
	target := w.behind[notes]
	if r.Second {
		target = w.behind["notes2"]
	}
	var text strings.Builder
	err := page.Execute(&text, struct {
		W     *world
		R     rules
		Notes string
	}{w, r, target.self})
	return text.String(), err
}

// before is the hash of the configuration in force, if these rules make another
// of it; empty: they change nothing but a comment.
func (w *world) before(ctx context.Context, next rules) (string, error) {
	now := w.rules
	now.Addition = next.Addition
	a, err1 := w.text(now)
	b, err2 := w.text(next)
	if err := errors.Join(err1, err2); err != nil || a == b {
		return "", err
	}
	door, err := w.house.door(ctx)
	if err != nil {
		return "", err
	}
	c, err := door.Configuration(ctx)
	if err != nil {
		return "", err
	}
	return c.Hash, nil
}

// replace puts a file in place at once, readable by us alone.
func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// change brings other rules into force, in one of the ways that there are, and
// keeps the book of what they forbid and permit.
func (w *world) change(ctx context.Context, next rules, way int) error {
	for what := range w.rules.Denied {
		if next.Denied[what] == "" {
			w.book.permit(what)
		}
	}
	if next.Extra {
		w.book.permit("server " + extra)
	}
	before, err := w.before(ctx, next)
	if err != nil {
		return err
	}
	if err := w.write(next); err != nil {
		return err
	}
	w.rules = next // a restart finds it, whatever becomes of this
	if err := w.reload(ctx, way, before); err != nil {
		return err
	}
	w.inForce()
	return nil
}

// inForce notes what the rules forbid, once they are acknowledged.
func (w *world) inForce() {
	for what := range w.rules.Denied {
		w.book.forbid(what)
	}
	if !w.rules.Extra {
		w.book.forbid("server " + extra)
	}
	if w.rules.Strict {
		w.book.setStrict(true)
	}
}

// Ways of a reload.
const (
	byCommand = iota
	bySignal
	byItself
	ways
)

// reload waits until the file is in force, and another than before: the one that
// was there may just have been read when it was replaced.
func (w *world) reload(ctx context.Context, way int, before string) error {
	door, err := w.house.door(ctx)
	if err != nil {
		return err
	}
	since := time.Now()
	switch way {
	case byCommand:
		_, err := door.ReloadConfiguration(ctx)
		return err
	case bySignal:
		if err := syscall.Kill(w.house.pid(), syscall.SIGHUP); err != nil {
			return err
		}
	}
	for end := time.Now().Add(10*time.Second + 2*w.s.slack); ; time.Sleep(50 * time.Millisecond) {
		c, err := door.Configuration(ctx)
		switch {
		case err == nil && c.Loaded.After(since.Add(-time.Millisecond)) && c.Hash != before:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("the configuration was not reloaded: %w", orElse(err, "the old one stays"))
		}
	}
}

// serving returns the names of the servers that are configured.
func (w *world) serving() []string {
	all := []string{notes, old, events, local}
	if !w.book.forbidden("server " + extra) {
		all = append(all, extra)
	}
	return slices.Clip(all)
}

func (w *world) trailDir() string { return filepath.Join(w.dir, "trail") }
