package idp

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
)

// Problem is what is wrong with one setting.
type Problem struct {
	Setting string // a parameter, or "issuer", or "preset"
	Text    string // what, and what to do
}

// Expand fills in a preset. issuer is the one that is written down; empty: the
// preset's own. With a problem what comes back is not to be used.
//
// [Resource] stays where it stands: it is another one for every server.
func (p *Preset) Expand(params map[string]string, issuer string) (Issuer, []Problem) {
	values, problems := p.values(params)
	if p.Refusal != "" && (p.Unless == "" || params[p.Unless] == "") {
		return Issuer{}, []Problem{{"preset", p.Refusal}}
	}
	f := filler{values}
	out := p.Issuer
	out.Issuer = f.text(out.Issuer)
	if issuer != "" {
		out.Issuer = issuer
	}
	switch {
	case out.Issuer == "" && p.Issuer.Issuer != "" && len(problems) > 0: // it is made of what is missing
	case out.Issuer == "":
		problems = append(problems, Problem{"issuer", "is missing: " + p.Title + " has one for each customer. " + orSentence(out.Wrong, "It is the iss of its tokens, exactly")})
	case out.Form != "" && !regexp.MustCompile(out.Form).MatchString(out.Issuer):
		problems = append(problems, Problem{"issuer", fmt.Sprintf("%q cannot be: %s", out.Issuer, out.Wrong)})
	}
	values["issuer"] = out.Issuer
	out.AlsoIssuer = f.list(out.AlsoIssuer)
	out.KeysURL = f.text(out.KeysURL)
	out.Mode = modes[f.text(out.Mode)]
	out.Audiences = f.list(out.Audiences)
	out.Introspect = f.text(out.Introspect)
	out.Claims = f.claims(out.Claims)
	out.Require = f.tests(out.Require)
	if len(problems) > 0 {
		return Issuer{}, problems
	}
	return out, nil
}

// modes are the words for how a token is bound to us, those of the presets among them.
var modes = map[string]string{
	"": AudienceExact, AudienceExact: AudienceExact, "resource": AudienceExact,
	AudienceClient: AudienceClient, "client": AudienceClient, AudienceNone: AudienceNone,
}

func orSentence(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// values are the parameters with what they are when left out.
func (p *Preset) values(params map[string]string) (map[string]string, []Problem) {
	out := map[string]string{}
	var problems []Problem
	for name := range params {
		if p.Param(name) == nil {
			problems = append(problems, Problem{name, "is not a parameter of " + p.Name + p.takes()})
		}
	}
	for i := range p.Params {
		q := &p.Params[i]
		v := params[q.Name]
		switch {
		case v == "" && q.Need:
			problems = append(problems, Problem{q.Name, "is missing: " + orSentence(q.Missing, q.Doc) + " For example: " + q.Name + ": " + q.Example})
			continue
		case v == "":
			v = q.Else
		default:
			var why string
			if v, why = q.judge(v); why != "" {
				problems = append(problems, Problem{q.Name, why})
			}
		}
		if v != "" {
			out[q.Name] = v
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Setting, b.Setting) })
	return out, problems
}

// takes lists the parameters that there are.
func (p *Preset) takes() string {
	var all []string
	for i := range p.Params {
		all = append(all, p.Params[i].Name)
	}
	if len(all) == 0 {
		return ", which has none"
	}
	return ", which has " + strings.Join(all, ", ")
}

var (
	guid  = pattern.Lazy(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	host  = pattern.Lazy(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)
	claim = pattern.Lazy(`^[^\s?#{}\\"=]{1,256}$`)
	word  = pattern.Lazy(`^[^\s/?#{}\\"]{1,256}$`)
)

// judge returns a value in its plain form, or says why it cannot be.
func (q *Param) judge(v string) (plain, why string) {
	if not := q.Not[strings.ToLower(v)]; not != "" {
		return v, fmt.Sprintf("%q %s", v, not)
	}
	if q.One != nil && !slices.Contains(q.One, v) {
		return v, fmt.Sprintf("%.80q is not %s", v, strings.Join(q.One, " or "))
	}
	switch q.Form {
	case Host:
		if u, err := url.Parse(v); err == nil && u.Host != "" {
			return v, fmt.Sprintf("%.120q is a URL; write the host alone: %s", v, u.Host)
		}
		if !host().MatchString(v) || strings.Contains(v, "..") {
			return v, fmt.Sprintf("%.120q is not the name of a host like %s, in lower case", v, q.Example)
		}
	case URL:
		u, err := url.Parse(v)
		if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(v, "{}") {
			return v, "is not a URL like " + q.Example
		}
		return strings.TrimSuffix(v, "/"), ""
	case Claim:
		if !claim().MatchString(v) {
			return v, fmt.Sprintf("%.80q is no path in the claims like %s", v, q.Example)
		}
	case GUID:
		if !guid().MatchString(v) {
			return v, fmt.Sprintf("%.80q is not a GUID like %s", v, q.Example)
		}
		return strings.ToLower(v), ""
	default:
		if !word().MatchString(v) {
			return v, fmt.Sprintf("%.80q has a blank, a slash or a brace in it, or is too long. For example: %s", v, q.Example)
		}
	}
	return v, ""
}

// filler puts parameters where their names stand.
type filler struct{ values map[string]string }

var placeholder = pattern.Lazy(`\{([a-z_]+)(:last|:host)?\}`)

// text fills in one text; a parameter that has no value makes it empty. What
// stands in braces and is no parameter, such as {resource} or the name of a
// claim, stays.
func (f filler) text(t string) string {
	missing := false
	out := placeholder().ReplaceAllStringFunc(t, func(m string) string {
		parts := placeholder().FindStringSubmatch(m)
		v, ok := f.values[parts[1]]
		switch {
		case !ok && known[parts[1]]:
			missing = true
			return ""
		case !ok:
			return m
		}
		switch u, _ := url.Parse(v); {
		case parts[2] == ":last" && u != nil:
			return path.Base(u.Path)
		case parts[2] == ":host" && u != nil:
			return u.Scheme + "://" + u.Host
		}
		return v
	})
	if missing {
		return ""
	}
	return out
}

// list leaves out what has no value.
func (f filler) list(all []string) []string {
	var out []string
	for _, t := range all {
		if filled := f.text(t); filled != "" || t == "" {
			out = append(out, filled)
		}
	}
	return out
}

func (f filler) claims(c Claims) Claims {
	for _, list := range []*[]string{&c.Tenant, &c.Permissions, &c.Roles, &c.Groups, &c.Drop, &c.ScopePrefix} {
		*list = f.list(*list)
	}
	return c
}

func (f filler) tests(all []ClaimTest) []ClaimTest {
	out := slices.Clone(all)
	for i := range out {
		out[i].Equals = f.text(out[i].Equals)
	}
	return out
}

// known are the names of all parameters of all presets.
var known = func() map[string]bool {
	all := map[string]bool{"issuer": true}
	for _, p := range Presets() {
		for _, q := range append(p.LoginParams(), p.Params...) {
			all[q.Name] = true
		}
	}
	return all
}()

// Hint is what the operator of a provider has to do about a refusal, or "".
func (p *Preset) Hint(code, resource string) string {
	return strings.ReplaceAll(p.Hints[code], Resource, resource)
}

// OfForeign finds the mistake that a token of another issuer is, or nil.
func (p *Preset) OfForeign(params map[string]string, iss string) *Foreign {
	values, _ := p.values(params)
	f := filler{values}
	for i := range p.Foreign {
		want, prefix := strings.CutSuffix(f.text(p.Foreign[i].Issuer), "*")
		if want != "" && (iss == want || prefix && strings.HasPrefix(iss, want)) {
			return &p.Foreign[i]
		}
	}
	return nil
}
