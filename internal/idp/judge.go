package idp

import (
	"fmt"
	"slices"
	"strings"
)

// Facts are what a provider's metadata and keys say, as they were fetched.
type Facts struct {
	Resource string // the server that tokens have to be for

	Metadata string   // where the metadata was found; empty: nowhere
	Tried    []string // where else it was looked for, and what was wrong there

	CodeChallenges []string // methods of PKCE; nil: the metadata does not say
	AuthMethods    []string // of the token endpoint; nil: the metadata does not say
	Registration   bool     // it has a registration endpoint. RFC 7591
	ClientMetadata bool     // it takes client ID metadata documents
	IssParameter   bool     // it says who it is in the authorization response. RFC 9207

	KeysURL  string   // where the keys are; empty: not known
	KeysWhy  string   // why they cannot be had; empty: they can
	Keys     []string // algorithms that the usable keys are for, one for each key, as "RS256" or "RSA"
	Unusable []string // a line for each key that does not count
}

// Result says how a check ended.
type Result string

// The results.
const (
	OK   Result = "ok"
	Warn Result = "warn" // it works, with less than one would want
	Fail Result = "fail" // clients cannot come in this way
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"check"`
	Result Result `json:"result"`
	Text   string `json:"text"`          // what, with the values
	Fix    string `json:"fix,omitempty"` // what to change
}

// Judge says what a provider can be used for, by the facts.
func (p *Preset) Judge(i *Issuer, f *Facts) (Verdict, []Check) {
	if p.Refusal != "" && p.Unless == "" {
		return Broker, []Check{{"tokens", Fail, strings.TrimPrefix(p.Refusal, p.Name+": "), ""}}
	}
	checks := []Check{metadataCheck(i, f), pkceCheck(p, f), keysCheck(p, i, f), clientsCheck(p, f), publicCheck(f), p.bindingCheck(i, f), issCheck(f)}
	checks = slices.DeleteFunc(checks, func(c Check) bool { return c.Name == "" })
	result := func(name string) Result {
		for _, c := range checks {
			if c.Name == name {
				return c.Result
			}
		}
		return OK
	}
	switch {
	case result("metadata") == Fail, result("pkce") == Fail, result("keys") == Fail, result("public") == Fail:
		return Broker, checks
	case result("clients") != OK && !f.ClientMetadata && (!f.Registration || p.Closed != ""):
		return Registered, checks
	case result("binding") != OK:
		return Weaker, checks
	}
	return Direct, checks
}

func metadataCheck(i *Issuer, f *Facts) Check {
	if f.Metadata == "" {
		return Check{"metadata", Fail, fmt.Sprintf("no metadata that names the issuer %q: %s", i.Issuer, strings.Join(f.Tried, "; ")),
			"Issuers are compared byte for byte: look at iss in one of its tokens (gatehouse token explain -)."}
	}
	text := fmt.Sprintf("issuer %q", i.Issuer)
	if strings.HasSuffix(i.Issuer, "/") {
		text += " (the slash is part of it)"
	}
	return Check{"metadata", OK, text + ", at " + f.Metadata, ""}
}

// pkceCheck: clients have to refuse an authorization server that does not say
// that it does PKCE. MCP authorization, Authorization Code Protection
func pkceCheck(p *Preset, f *Facts) Check {
	switch {
	case f.Metadata == "":
		return Check{}
	case f.CodeChallenges == nil:
		return Check{"pkce", Fail, "the metadata has no code_challenge_methods_supported, so MCP clients refuse " + p.Title, "Use broker mode, unless it can be switched on there."}
	case !slices.Contains(f.CodeChallenges, "S256"):
		return Check{"pkce", Fail, "S256 is not among the methods of PKCE: " + strings.Join(f.CodeChallenges, ", "), "Use broker mode, unless it can be switched on there."}
	case slices.Contains(f.CodeChallenges, "plain"):
		return Check{"pkce", Warn, "S256, and plain too, which protects nothing", ""}
	}
	return Check{"pkce", OK, "S256", ""}
}

func keysCheck(p *Preset, i *Issuer, f *Facts) Check {
	usable := 0
	for _, k := range f.Keys {
		if slices.ContainsFunc(i.Algorithms, func(alg string) bool { return alg == k || family(alg) == k }) {
			usable++
		}
	}
	switch {
	case f.Metadata == "" && f.KeysURL == "":
		return Check{}
	case f.KeysWhy != "":
		return Check{"keys", Fail, "the keys at " + orSentence(f.KeysURL, "jwks_uri") + " cannot be had: " + f.KeysWhy, p.Hints["GH-1105"]}
	case usable == 0:
		return Check{"keys", Fail, fmt.Sprintf("no key for %s at %s%s", strings.Join(i.Algorithms, ", "), f.KeysURL, notes(f.Unusable)),
			orSentence(p.Hints["GH-1105"], "Have it sign with one of these algorithms, or set algorithms.")}
	}
	return Check{"keys", OK, fmt.Sprintf("%d of %d keys (%s) at %s%s", usable, len(f.Keys)+len(f.Unusable), strings.Join(unique(f.Keys), ", "), f.KeysURL, notes(f.Unusable)), ""}
}

func notes(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return "; not used: " + strings.Join(lines, "; ")
}

func unique(all []string) []string { return slices.Compact(slices.Sorted(slices.Values(all))) }

// family is the type of key that an algorithm needs.
func family(alg string) string {
	switch {
	case strings.HasPrefix(alg, "RS"), strings.HasPrefix(alg, "PS"):
		return "RSA"
	case strings.HasPrefix(alg, "ES"):
		return "EC"
	}
	return "OKP"
}

// clientsCheck is about how a client that nobody knows gets an id.
func clientsCheck(p *Preset, f *Facts) Check {
	open := f.Registration && p.Closed == ""
	switch {
	case f.Metadata == "":
		return Check{}
	case f.ClientMetadata && open:
		return Check{"clients", OK, "client metadata documents, and registration", ""}
	case f.ClientMetadata:
		return Check{"clients", Warn, "client metadata documents, and no open registration: clients that only register, as Cursor and Codex, need a client id", p.Closed}
	case open:
		return Check{"clients", OK, "registration; no client metadata documents", ""}
	case f.Registration:
		return Check{"clients", Warn, "the registration endpoint is not open: " + p.Closed, "Register each MCP client there, and hand its client id out."}
	}
	return Check{"clients", Warn, "clients cannot register by themselves", "Register each MCP client there, and hand its client id out; or use broker mode."}
}

// publicCheck: most MCP clients run where no secret can be kept.
func publicCheck(f *Facts) Check {
	if f.AuthMethods == nil || slices.Contains(f.AuthMethods, "none") {
		return Check{}
	}
	c := Check{"public", Warn, "the token endpoint lists no public clients (none), only " + strings.Join(f.AuthMethods, ", "), "Clients that keep no secret cannot come in."}
	if !f.ClientMetadata && !f.Registration {
		c.Result, c.Fix = Fail, "Use broker mode."
	}
	return c
}

// bindingCheck: nobody can see from outside what a token will have in aud.
func (p *Preset) bindingCheck(i *Issuer, f *Facts) Check {
	switch {
	case i.Mode != AudienceExact, p.Weak != "" && slices.ContainsFunc(i.Audiences, func(a string) bool { return a != Resource }):
		return Check{"binding", Warn, orSentence(p.Weak, "a token does not say that it is for this server"), p.Hint("GH-1104", f.Resource)}
	case p.Name == "oidc" || p.Verdict == Direct || p.Verdict == Registered:
		return Check{"binding", OK, fmt.Sprintf("aud has to be %s; that cannot be seen from outside", said(i.Audiences, f.Resource)), p.Hint("GH-1104", f.Resource)}
	}
	return Check{"binding", Warn, fmt.Sprintf("aud has to be %s, which %s does not set by itself", said(i.Audiences, f.Resource), p.Title), p.Hint("GH-1104", f.Resource)}
}

// said lists audiences.
func said(audiences []string, resource string) string {
	var all []string
	for _, a := range audiences {
		all = append(all, fmt.Sprintf("%q", strings.ReplaceAll(a, Resource, resource)))
	}
	return strings.Join(all, " or ")
}

// issCheck: without it a client that uses several servers can be made to send a
// code to the wrong one. RFC 9207 §2.4
func issCheck(f *Facts) Check {
	switch {
	case f.Metadata == "":
		return Check{}
	case f.IssParameter:
		return Check{"iss", OK, "iss in the authorization response (RFC 9207)", ""}
	}
	return Check{"iss", Warn, "no iss in the authorization response (RFC 9207)", ""}
}
