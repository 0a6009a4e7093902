package login

import "strings"

// maxAddress bounds an e-mail address. RFC 5321 §4.5.3.1.3
const maxAddress = 254

// Address takes an e-mail address apart, in lower case. What could be read in
// two ways is none: it has one @, ASCII letters and digits, and of other
// characters only those that need no quotes (RFC 5322 §3.2.3), so that no two
// readers find two domains in it and no letter only looks like another.
func Address(text string) (local, domain string, ok bool) {
	text = strings.ToLower(text)
	local, domain, found := strings.Cut(text, "@")
	if !found || len(text) > maxAddress || len(local) > 64 || !dotted(local, atom) || !dotted(domain, label) || !strings.Contains(domain, ".") {
		return "", "", false
	}
	return local, domain, true
}

// dotted says whether a text is parts between dots, each good by itself.
func dotted(text string, good func(string) bool) bool {
	for part := range strings.SplitSeq(text, ".") {
		if !good(part) {
			return false
		}
	}
	return true
}

func atom(s string) bool { return s != "" && only(s, "!#$%&'*+-/=?^_`{|}~") }

func label(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && s[len(s)-1] != '-' && only(s, "-")
}

// only says whether a text has nothing but lower-case letters, digits and some more.
func only(s, more string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}
