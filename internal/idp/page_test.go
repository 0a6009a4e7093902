package idp_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

var update = flag.Bool("update", false, "write the sections of docs/how-to/identity-providers.md anew")

const (
	page  = "../../docs/how-to/identity-providers.md"
	begin = "<!-- Below: written by go test ./internal/idp -run Page -update, from the presets. -->\n"
)

// TestPageHasASectionForEachPreset holds the guide to the presets, and what it
// says to write to the configuration.
func TestPageHasASectionForEachPreset(t *testing.T) {
	var b strings.Builder
	for _, p := range idp.Presets() {
		section(&b, p)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, got, ok := strings.Cut(string(text), begin)
	switch {
	case !ok:
		t.Fatalf("%s has lost its mark", page)
	case *update:
		if err := os.WriteFile(page, []byte(head+begin+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	case got != b.String():
		t.Errorf("%s is not what the presets say; write it anew with -update", page)
	}
}

func section(b *strings.Builder, p *idp.Preset) {
	_, _ = fmt.Fprintf(b, "\n## %s\n\n`preset: %s`: %s.\n", p.Title, p.Name, p.Verdict.Means())
	if p.Refusal != "" {
		_, _ = fmt.Fprintf(b, "\n> %s.\n", strings.TrimPrefix(p.Refusal, p.Name+": "))
	}
	if p.Refusal == "" || p.Unless != "" {
		_, _ = fmt.Fprintf(b, "\n```yaml\nauth:\n  issuers:\n    %s```\n", strings.ReplaceAll(strings.TrimSuffix(p.Short(), "\n"), "\n", "\n    ")+"\n")
	}
	for i := range p.Params {
		q := &p.Params[i]
		need := "optional"
		if q.Need {
			need = "required"
		}
		if i == 0 {
			b.WriteString("\n| parameter | | |\n|---|---|---|\n")
		}
		_, _ = fmt.Fprintf(b, "| `%s` | %s | %s |\n", q.Name, need, q.Doc)
	}
	if p.Weak != "" {
		_, _ = fmt.Fprintf(b, "\n**Weaker**: %s.\n", p.Weak)
	}
	lines(b, "Set up there:", "1. ", p.Setup)
	lines(b, "Mind:", "- ", p.Gotchas)
	signIn(b, p)
}

// signIn is the broker column: how people sign in with the provider.
func signIn(b *strings.Builder, p *idp.Preset) {
	l := p.LoginDefaults()
	if l.Refusal != "" {
		_, _ = fmt.Fprintf(b, "\n**Signing people in**: %s.\n", strings.TrimPrefix(l.Refusal, p.Name+": "))
		return
	}
	_, _ = fmt.Fprintf(b, "\n**Signing people in** (broker mode)\n\n```yaml\nauth:\n  embedded:\n    login:\n      %s```\n", strings.ReplaceAll(strings.TrimSuffix(p.ShortLogin(), "\n"), "\n", "\n      ")+"\n")
	for i, q := range p.LoginParams() {
		need := "optional"
		if q.Need {
			need = "required"
		}
		if i == 0 {
			b.WriteString("\n| parameter | | |\n|---|---|---|\n")
		}
		_, _ = fmt.Fprintf(b, "| `%s` | %s | %s |\n", q.Name, need, q.Doc)
	}
	_, _ = fmt.Fprintf(b, "\nIt is asked for `%s`; people are known by `%s`. `allow` can be of %s", strings.Join(l.Scopes, " "), strings.Join(l.Claims.Subject, "`, `"), strings.Join(l.Lists, ", "))
	if l.Public != "" {
		_, _ = fmt.Fprintf(b, ", and is required: %s could sign in", l.Public)
	}
	b.WriteString(".\n")
	broker(b, "Set up there:", "1. ", l.Setup)
	broker(b, "Mind:", "- ", l.Gotchas)
}

func broker(b *strings.Builder, head, mark string, all []string) {
	var out []string
	for _, l := range all {
		out = append(out, strings.ReplaceAll(l, "{callback}", "`https://mcp.acme.com/auth/callback/NAME`"))
	}
	lines(b, head, mark, out)
}

func lines(b *strings.Builder, head, mark string, all []string) {
	if len(all) > 0 {
		_, _ = fmt.Fprintf(b, "\n%s\n\n%s%s\n", head, mark, strings.ReplaceAll(strings.Join(all, "\n"+mark), idp.Resource, "https://mcp.acme.com/mcp"))
	}
}

// TestShortFormsCanBeServed: what is shown to be written is accepted as it stands.
func TestShortFormsCanBeServed(t *testing.T) {
	for _, p := range idp.Presets() {
		text := "version: 1\nservers: [{name: a, url: 'http://127.0.0.1:1/mcp'}]\npolicy: {default: allow}\nauth:\n  issuers:\n    " + strings.ReplaceAll(p.Short(), "\n", "\n    ") + "\n"
		c, err := config.Parse("f", []byte(text), config.Outside{})
		if err == nil {
			err = c.Check()
		}
		if refused := p.Refusal != "" && p.Unless == ""; refused != (err != nil) {
			t.Errorf("%s: got %v, of\n%s", p.Name, err, text)
		} else if refused {
			continue
		}
		weak := slices.ContainsFunc(c.Weakened(), func(w string) bool { return strings.Contains(w, "auth.issuers[0]") })
		if want := p.Weak != "" && !slices.Contains([]string{"cognito", "ping-aic", "supabase"}, p.Name); weak != want {
			t.Errorf("%s: weakened is %v: %q", p.Name, weak, c.Weakened())
		}
	}
}

// TestShortLoginsCanBeServed: the same, of how people sign in.
func TestShortLoginsCanBeServed(t *testing.T) {
	for _, p := range idp.Presets() {
		short := p.ShortLogin()
		if p.Name == "gatehouse" {
			if short != "" {
				t.Errorf("%s: got %q", p.Name, short)
			}
			continue
		}
		short = strings.ReplaceAll(short, "${file:/run/secrets/"+p.Name+"}", "${SECRET}")
		text := "version: 1\nserver: {public_url: 'https://mcp.acme.com', tls: {terminated_by_proxy: true}}\nservers: [{name: a, url: 'http://127.0.0.1:1/mcp'}]\npolicy: {default: allow}\nauth:\n  embedded:\n    login:\n      " +
			strings.ReplaceAll(short, "\n", "\n      ") + "\n"
		c, err := config.Parse("f", []byte(text), config.Outside{Lookup: func(string) (string, bool) { return "secret", true }})
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			t.Errorf("%s: got %v, of\n%s", p.Name, err, text)
			continue
		}
		without := regexp.MustCompile(`(?m)^ *allow: .*$`).ReplaceAllString(text, "")
		c, err = config.Parse("f", []byte(without), config.Outside{Lookup: func(string) (string, bool) { return "secret", true }})
		if err == nil {
			err = c.Check()
		}
		if public := strings.Contains(short, "allow:"); public != (err != nil && strings.Contains(fmt.Sprint(err), "could sign in")) {
			t.Errorf("%s without allow: got %v", p.Name, err)
		}
	}
}
