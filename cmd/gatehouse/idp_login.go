package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/federation"
	"github.com/gatehouse-mcp/gatehouse/internal/server"
)

// loginWait is how long somebody may take to sign in.
const loginWait = 5 * time.Minute

// loginPort is where the browser comes back to, unless said otherwise.
const loginPort = "8976"

func (a *app) idpLoginTest() *cobra.Command {
	redirect := ""
	c := &cobra.Command{
		Use:   "login-test [-c FILE] NAME",
		Short: "Sign in once with a provider, and see what it says",
		Long: "Sign in with a provider of auth.embedded.login on this machine: what it says of you, and whether the allow-list admits\n" +
			"you. The browser comes back to this command, so the provider has to know the redirect URI that it shows first, beside\n" +
			"that of the server. Nothing is stored, and no token is shown. It ends with 1 when you are not admitted, and with 5 when\n" +
			"the provider does not answer.",
		Example: "  gatehouse idp login-test google\n" +
			"  gatehouse idp login-test -c gatehouse.yaml entra --redirect http://localhost:9000/auth/callback/entra",
		Args:                  exactly("the name of a login"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     a.completeLogins,
		RunE: func(c *cobra.Command, args []string) error {
			a.configFile()
			ctx, stop := a.within(c.Context(), loginWait)
			defer stop()
			return a.loginTest(ctx, args[0], redirect)
		},
	}
	c.Flags().StringVar(&redirect, "redirect", "", "`URL` on this machine that the provider sends the browser back to (default http://localhost:"+loginPort+"/auth/callback/NAME)")
	return c
}

// completeLogins offers the providers by which people sign in.
func (a *app) completeLogins(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	a.configFile()
	var all []string
	if c, err := a.load(); err == nil && len(args) == 0 && c.Auth.Embedded != nil {
		for i := range c.Auth.Embedded.Login {
			all = append(all, c.Auth.Embedded.Login[i].Name+"\t"+c.Auth.Embedded.Login[i].Title)
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// signedInAs is the result of login-test, for scripts.
type signedInAs struct {
	Provider      string          `json:"provider"`
	Issuer        string          `json:"issuer"`
	Subject       string          `json:"subject"`
	Name          string          `json:"name,omitempty"`
	Username      string          `json:"username,omitempty"`
	Email         string          `json:"email,omitempty"` // verified
	Domain        string          `json:"domain,omitempty"`
	Tenant        string          `json:"tenant,omitempty"`
	Groups        []string        `json:"groups"`
	GroupsOmitted bool            `json:"groups_omitted,omitempty"`
	Roles         []string        `json:"roles"`
	Methods       []string        `json:"amr,omitempty"`
	Admitted      bool            `json:"admitted"`
	Code          string          `json:"code,omitempty"` // why not
	Text          string          `json:"text,omitempty"`
	Claims        json.RawMessage `json:"claims,omitempty"`
}

// findLogin returns the settings of a login of the file.
func (a *app) findLogin(name string) (*federation.Settings, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	var names []string
	if c.Auth.Embedded != nil {
		for i := range c.Auth.Embedded.Login {
			l := &c.Auth.Embedded.Login[i]
			if l.Name == name {
				return server.LoginSettings(c, l)
			}
			names = append(names, l.Name)
		}
	}
	return nil, &fault{exitNotFound, "GH-2401", fmt.Sprintf("%s has no login %.80q. It has: %s.", a.file, name, orElse(strings.Join(names, ", "), "none"))}
}

func (a *app) loginTest(ctx context.Context, name, redirect string) error {
	s, err := a.findLogin(name)
	if err != nil {
		return err
	}
	p, err := federation.Open(s)
	if err != nil {
		return usage("login %s: %v", name, err)
	}
	redirect = orElse(redirect, "http://localhost:"+loginPort+"/auth/callback/"+name)
	back, err := listenAt(redirect)
	if err != nil {
		return err
	}
	defer back.Close()
	start, err := p.Begin(ctx, redirect, "", false)
	if err != nil {
		return loginFault(err)
	}
	a.say("%s has to know this redirect URI: %s\nOpen in your browser, and sign in:\n\n", p.Title(), redirect)
	a.say("  %s\n\n", start.URL)
	answer, err := waitFor(ctx, back, redirect, start.Pending.State)
	if err != nil {
		return err
	}
	who, err := p.Identify(ctx, redirect, &start.Pending, answer)
	if err != nil {
		return loginFault(err)
	}
	return a.showSignedIn(p, who)
}

// loginFault is what a refusal is on a command line: the operator gets the cause.
func loginFault(err error) error {
	var r *federation.Refusal
	if !errors.As(err, &r) {
		return err
	}
	exit := exitFailure
	if r.Code == federation.CodeUnavailable {
		exit = exitNetwork
	}
	text := r.Text
	if r.Cause != nil {
		text += " (" + strings.ReplaceAll(r.Cause.Error(), "\n", ": ") + ")"
	}
	return &fault{exit, r.Code, text}
}

// listenAt listens where a redirect URI of this machine leads to.
func listenAt(redirect string) (net.Listener, error) {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || u.Port() == "" || !config.Loopback(u.Hostname()) || u.RawQuery != "" || u.Fragment != "" || u.Path == "" {
		return nil, usage("--redirect %.200q is no URL of this machine like http://localhost:%s/callback", redirect, loginPort)
	}
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, u.Port()))
	if err != nil {
		return nil, &fault{exitConflict, "GH-2301", fmt.Sprintf("Port %s is in use. Choose another with --redirect, and have the provider know it.", u.Port())}
	}
	return l, nil
}

// waitFor waits for the browser to come back with this sign-in's answer. Other
// requests, of other programs on the machine, are no answer.
func waitFor(ctx context.Context, l net.Listener, redirect, state string) (*federation.Callback, error) {
	u, err := url.Parse(redirect)
	if err != nil {
		return nil, err
	}
	answers := make(chan *federation.Callback, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+u.EscapedPath(), func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Host != u.Host || q.Get("state") != state {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = fmt.Fprintln(w, "This is not the sign-in that is waited for.")
			return
		}
		_, _ = fmt.Fprintln(w, "Done. Close this page and return to the command line.")
		c := &federation.Callback{Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Error: q.Get("error"), ErrorDescription: q.Get("error_description")}
		select {
		case answers <- c:
		default: // one is enough
		}
	})
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(l) }() // it ends with the listener
	select {
	case c := <-answers:
		ending, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer stop()
		_ = s.Shutdown(ending) // the browser gets its page first
		return c, nil
	case <-ctx.Done():
		_ = s.Close()
		return nil, ctx.Err()
	}
}

func (a *app) showSignedIn(p federation.Provider, who *federation.Profile) error {
	out := signedInAs{
		Provider: who.Provider, Issuer: who.Issuer, Subject: who.Subject, Name: who.Name, Username: who.Username, Email: who.Email, Domain: who.Domain, Tenant: who.Tenant,
		Groups: append([]string{}, who.Groups...), GroupsOmitted: who.GroupsOmitted, Roles: append([]string{}, who.Roles...), Methods: who.Methods, Admitted: true, Claims: who.Claims,
	}
	var refusal *federation.Refusal
	if err := p.Admit(who); errors.As(err, &refusal) {
		out.Admitted, out.Code, out.Text = false, refusal.Code, refusal.Text
	} else if err != nil {
		return err
	}
	end := error(nil)
	if !out.Admitted {
		end = &fault{exit: exitFailure}
	}
	if a.json {
		return errors.Join(a.object(out), end)
	}
	rows := [][]string{{"issuer", out.Issuer}, {"subject", out.Subject}}
	for _, one := range [][]string{
		{"name", out.Name}, {"username", out.Username}, {"email", out.Email}, {"domain", out.Domain}, {"tenant", out.Tenant},
		{"groups", strings.Join(out.Groups, ", ")}, {"roles", strings.Join(out.Roles, ", ")}, {"amr", strings.Join(out.Methods, ", ")},
	} {
		rows = append(rows, []string{one[0], orElse(one[1], "–")})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if out.Claims != nil {
		a.print("\nWhat it says: %s\n", out.Claims)
	}
	if out.Admitted {
		a.print("\n%s would be admitted\n", a.mark(a.out, "✓"))
		return nil
	}
	a.print("\n%s %s would be refused: %s\n", a.mark(a.out, "✗"), out.Code, out.Text)
	return end
}
