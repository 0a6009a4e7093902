package doctor

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Gone stands where something was taken out of an archive.
const Gone = "‹removed›"

// Removal says what was taken out, and where.
type Removal struct {
	File  string `json:"file"`  // in the archive
	Place string `json:"place"` // a setting or member; empty: anywhere in it
	What  string `json:"what"`
	Count int    `json:"count"`
}

// scrubber takes secrets, and what names people, out of texts. What is known is
// struck out wherever it stands; what looks like a secret is, too. It rather takes
// out too much.
type scrubber struct {
	known    *strings.Replacer // nil: nothing is
	file     string            // that is being written
	removals map[Removal]int
}

// newScrubber is given every secret that is known here, and names to strike out as they are.
func newScrubber(secrets, names []string) *scrubber {
	s := &scrubber{removals: map[Removal]int{}}
	const shortest = 4 // less would be struck from every second word
	forms := slices.Clone(names)
	add := func(form string, least int) {
		if len(form) >= least && !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	for _, secret := range secrets {
		for _, form := range disguises(secret) {
			add(form, shortest)
		}
		for _, piece := range strings.Fields(secret) { // the key in "Bearer …", and no word of a passphrase
			add(piece, 2*shortest)
		}
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // the longest first: others are parts of it
	var pairs []string
	for _, form := range forms {
		pairs = append(pairs, form, Gone)
	}
	if pairs != nil {
		s.known = strings.NewReplacer(pairs...)
	}
	return s
}

// disguises are the forms in which a secret travels.
func disguises(secret string) []string {
	quoted, _ := json.Marshal(secret) // a string always can be
	raw := []byte(secret)
	return []string{
		secret, strings.TrimSpace(secret), strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString(raw), base64.RawStdEncoding.EncodeToString(raw),
		base64.URLEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
	}
}

const secretWords = `password|passwd|passphrase|passcode|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|` +
	`pepper|authorization|credential|cookie|signature|session|assertion|bearer|connection[_-]?string|dsn|otp|verifier`

var secretish = regexp.MustCompile(`(?i)` + secretWords)

// patterns are what secrets look like, in the order in which they are looked for.
var patterns = []struct {
	what string
	find *regexp.Regexp
	put  string
}{
	{"PEM block", regexp.MustCompile(`-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(-----END [A-Z0-9 ]+-----|$)`), Gone},
	{"password in a URL", regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s"'<>]*@`), "${1}" + Gone + "@"},
	{"header with a credential", regexp.MustCompile(`(?i)\b((?:set-)?cookie|(?:proxy-)?authorization|x-api-key|dpop)("?\s*[:=]\s*)[^\r\n]+`), "${1}${2}" + Gone},
	{"credential", regexp.MustCompile(`(?i)\b(bearer|basic|dpop|digest|negotiate)(\s+)[A-Za-z0-9._~+/=-]{6,}`), "${1}${2}" + Gone},
	{"gatehouse key", regexp.MustCompile(`\bgth[a-z]_[0-9A-Za-z_]{4,}`), Gone},
	{"token", regexp.MustCompile(`\bey[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)+`), Gone},
	{"key of another service", regexp.MustCompile(`\b(?:sk|pk|rk|whsec|ghp|gho|ghu|ghs|ghr|github_pat|glpat|xox[abeprs]|hf|npm|pypi|SG|AIza|ya29|AKIA|ASIA|dop_v1|shpat)[-_.]?[A-Za-z0-9_.-]{10,}`), Gone},
	{"value in a query", regexp.MustCompile(`([?&][A-Za-z0-9_.~%\[\]-]+=)[^&\s"'#<>]+`), "${1}" + Gone},
	{"named secret", regexp.MustCompile(`(?i)([\w.-]*(?:` + secretWords + `)[\w.-]*\\?["']?\s*[:=]\s*)(\\?"(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,;&}"']+)`), "${1}" + Gone},
	{"address of a person", regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`), "‹address›"},
}

var opaque = regexp.MustCompile(`[A-Za-z0-9+/_=-]{16,}`)

// text returns what may be seen of a text.
func (s *scrubber) text(place, text string) string { return s.looks(place, s.strike(place, text)) }

// strike takes out what is known.
func (s *scrubber) strike(place, text string) string {
	if s.known != nil {
		if clean := s.known.Replace(text); clean != text {
			s.note(place, "known secret, or name of the machine")
			text = clean
		}
	}
	return text
}

// looks takes out what looks like a secret.
func (s *scrubber) looks(place, text string) string {
	for _, p := range patterns {
		if clean := p.find.ReplaceAllString(text, p.put); clean != text {
			s.note(place, p.what)
			text = clean
		}
	}
	return opaque.ReplaceAllStringFunc(text, func(run string) string {
		if random(run) {
			s.note(place, "what looks like a secret")
			return Gone
		}
		parts := strings.Split(run, "/")
		for i := range parts {
			if random(parts[i]) {
				s.note(place, "what looks like a secret")
				parts[i] = Gone
			}
		}
		return strings.Join(parts, "/")
	})
}

func (s *scrubber) note(place, what string) {
	s.removals[Removal{File: s.file, Place: place, What: what}]++
}

// random says whether a run of characters is likely drawn at random: words and
// paths of people do not mix upper case, lower case and digits at this length.
func random(run string) bool {
	if strings.HasPrefix(run, "/") || len(run) < 16 {
		return false
	}
	var upper, lower, digit, hex, base32 int
	for _, c := range run {
		switch {
		case 'A' <= c && c <= 'Z':
			upper++
			base32++
		case 'a' <= c && c <= 'z':
			lower++
			if c <= 'f' {
				hex++
			}
		case '0' <= c && c <= '9':
			digit++
			hex++
			if '2' <= c && c <= '7' {
				base32++
			}
		}
	}
	plain := len(run) - strings.Count(run, "-")
	switch {
	case len(run) >= 20 && upper > 1 && lower > 1 && digit > 1:
		return true
	case hex >= 32 && hex == plain && digit > 3: // an id of 128 bits too: nobody can tell
		return true
	case base32 == len(run) && digit > 1: // RFC 4648 §6
		return true
	case len(run) >= 24 && lower > 4 && digit >= 6 && plain == len(run) && !strings.Contains(run, "/"):
		return true
	}
	return len(run) >= 40 && upper > 8 && lower > 8 && strings.ContainsAny(run, "+=")
}

// personal are members of our log that say who somebody is.
var personal = []string{"user", "username", "subject", "sub", "by", "email"}

// inPairs are members of a log that is text, as log/slog writes it: what names
// somebody, and ids of requests.
var inPairs = regexp.MustCompile(`(^|[\s{(,])((?:[\w-]+\.)*)((?:` + strings.Join(personal, "|") + `|request|request_id)=)("(?:[^"\\]|\\.)*"?|[^\s"]+)`)

// pairs returns what may be seen of a line of text in which
// nothing that is known is left. It is scrubbed as a whole: a header with a credential goes on to the end of the line.
func (s *scrubber) pairs(line string) string {
	var ids []string
	each := func(line string, put func(name, value string) string) string {
		return inPairs.ReplaceAllStringFunc(line, func(pair string) string {
			m := inPairs.FindStringSubmatch(pair)
			return m[1] + m[2] + m[3] + put(m[3], m[4])
		})
	}
	line = each(line, func(name, value string) string {
		if !ownRequest(strings.TrimSuffix(name, "="), value) {
			return value
		}
		ids = append(ids, value)
		return fmt.Sprintf("‹%d›", len(ids))
	})
	line = each(s.looks("", line), func(name, value string) string {
		if name = strings.TrimSuffix(name, "="); !slices.Contains(personal, name) {
			return value
		}
		s.note(name, "name of a person")
		return "‹person›"
	})
	for i, id := range ids {
		line = strings.Replace(line, fmt.Sprintf("‹%d›", i+1), id, 1)
	}
	return line
}

// ownRequest says whether a member is the id of a request, which is no secret though
// it looks like one.
func ownRequest(name, text string) bool {
	return (name == "request" || name == "request_id") && requestID.MatchString(text)
}

// value scrubs everything in what was read from JSON.
func (s *scrubber) value(place string, v any) any {
	switch x := v.(type) {
	case string:
		return s.text(place, x)
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = s.value(place, x[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, below := range x {
			at := strings.TrimPrefix(place+"."+name, ".")
			text, isText := below.(string)
			if isText && text != "" && secretish.MatchString(name) {
				s.note(at, "named secret")
				out[name] = Gone
				continue
			}
			switch {
			case isText && ownRequest(name, text): // by which whoever helps finds it in the trail
				out[name] = text
			case isText && text != "" && slices.Contains(personal, name):
				s.note(at, "name of a person")
				out[name] = "‹person›"
			default:
				out[s.text(place, name)] = s.value(at, below)
			}
		}
		return out
	}
	return v
}

// list is what was removed, in order.
func (s *scrubber) list() []Removal {
	all := []Removal{}
	for r, n := range s.removals {
		r.Count = n
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b Removal) int {
		return cmp.Or(strings.Compare(a.File, b.File), strings.Compare(a.Place, b.Place), strings.Compare(a.What, b.What))
	})
	return all
}
