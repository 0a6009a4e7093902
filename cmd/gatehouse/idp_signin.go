package main

import (
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/idp"
)

// knownLogin is how people sign in with a preset, for scripts.
type knownLogin struct {
	Refusal string   `json:"refusal,omitempty"`
	Params  []param  `json:"params"`
	Scopes  []string `json:"scopes,omitempty"`
	Subject []string `json:"subject,omitempty"`
	Lists   []string `json:"lists,omitempty"`  // of allow
	Public  string   `json:"public,omitempty"` // who could sign in without allow
	Setup   []string `json:"setup,omitempty"`
	Gotchas []string `json:"gotchas,omitempty"`
	Short   string   `json:"short,omitempty"` // what to write, with the examples
}

func describeLogin(p *idp.Preset) knownLogin {
	l := p.LoginDefaults()
	if l.Refusal != "" {
		return knownLogin{Refusal: l.Refusal, Params: []param{}}
	}
	return knownLogin{
		Params: params(p.LoginParams()), Scopes: l.Scopes, Subject: l.Claims.Subject, Lists: l.Lists, Public: l.Public,
		Setup: l.Setup, Gotchas: l.Gotchas, Short: p.ShortLogin(),
	}
}

// showLogin prints how people sign in with a preset.
func (a *app) showLogin(p *idp.Preset, l *knownLogin) {
	a.print("\nSigning people in, in broker mode\n\n")
	if l.Refusal != "" {
		a.print("  %s\n", strings.TrimPrefix(l.Refusal, p.Name+": "))
		return
	}
	a.print("%s", indent("# under auth.embedded.login\n"+l.Short))
	for _, q := range l.Params {
		a.print("    # %s: %s\n", q.Name, q.Doc)
	}
	who := "those whom the provider lets in"
	if l.Public != "" {
		who = "required: " + l.Public + " could sign in"
	}
	a.print("\n  scopes %s · people are known by %s · allow: %s (%s)\n", strings.Join(l.Scopes, " "), strings.Join(l.Subject, ", "), strings.Join(l.Lists, ", "), who)
	a.paragraphs("What to set up there for it", l.Setup, true)
	a.paragraphs("What to mind", l.Gotchas, false)
	a.say("  {callback} is %s.\n", fmt.Sprintf("https://YOUR-HOST/auth/callback/%s: the issuer, and the login's name", p.Name))
}
