package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// lineHead begins every line; the time after it has a fixed width.
const (
	lineHead  = `{"time":"`
	timeWidth = len("2006-01-02T15:04:05.000000Z")
)

// appendEvent adds an event as one line.
func appendEvent(b []byte, e *Event) []byte {
	b = append(b, lineHead...)
	b = appendTime(b, e.Time)
	b = append(b, '"')
	b = member(b, `,"kind":`, e.Kind, maxText)
	b = member(b, `,"action":`, e.Action, maxText)
	b = member(b, `,"phase":`, e.Phase, maxText)
	b = member(b, `,"request":`, e.Request, maxText)
	b = member(b, `,"server":`, e.Server, maxText)
	b = member(b, `,"tenant":`, e.Tenant, maxText)
	b = member(b, `,"tenant_id":`, e.TenantID, maxText)
	b = member(b, `,"subject":`, e.Subject, maxText)
	b = member(b, `,"key":`, e.KeyID, maxText)
	b = member(b, `,"key_name":`, e.KeyName, maxText)
	b = member(b, `,"client_supplied":`, e.Client, maxText)
	b = member(b, `,"issuer":`, e.Issuer, maxText)
	b = member(b, `,"client_id":`, e.ClientID, maxText)
	b = member(b, `,"token":`, e.TokenID, maxText)
	b = appendRights(b, e.Rights)
	if e.AuthAge != nil {
		b = strconv.AppendInt(append(b, `,"auth_age":`...), *e.AuthAge, 10)
	}
	if e.Address.IsValid() {
		b = append(b, `,"address":"`...)
		b = e.Address.Unmap().WithZone("").AppendTo(b) // a zone is free text
		b = append(b, '"')
	}
	b = member(b, `,"method":`, e.Method, maxText)
	b = member(b, `,"name":`, e.Name, maxText)
	if len(e.Rules) > 0 {
		b = appendList(append(b, `,"rules":`...), e.Rules)
	}
	b = number(b, `,"status":`, int64(e.Status))
	b = member(b, `,"code":`, e.Code, maxText)
	b = member(b, `,"reason":`, e.Reason, maxReason)
	b = member(b, `,"outcome":`, e.Outcome, maxText)
	b = number(b, `,"took_us":`, e.Took.Microseconds())
	if e.Count > 1 {
		b = number(b, `,"count":`, int64(e.Count))
	}
	if !e.Since.IsZero() {
		b = append(b, `,"since":"`...)
		b = appendTime(b, e.Since)
		b = append(b, '"')
	}
	if len(e.Args) > 0 {
		b = append(b, `,"args":`...)
		b = appendArgs(b, e.Args)
	}
	b = appendDetail(b, e.Detail)
	b = member(b, `,"by":`, e.By, maxText)
	return append(b, '}', '\n')
}

func member(b []byte, name, value string, limit int) []byte {
	if value == "" {
		return b
	}
	return appendText(append(b, name...), value, limit)
}

// appendRights adds what a token allowed. A list that is cut says so by "…", so
// that nobody takes what is there for all of it.
func appendRights(b []byte, r *Rights) []byte {
	if r == nil {
		return b
	}
	b = append(b, `,"rights":{`...)
	begin := len(b)
	for _, l := range [...]struct {
		name string
		list []string
	}{{`"scopes":`, r.Scopes}, {`"permissions":`, r.Permissions}, {`"roles":`, r.Roles}, {`"groups":`, r.Groups}} {
		if l.list == nil {
			continue
		}
		if len(b) > begin {
			b = append(b, ',')
		}
		b = appendList(append(b, l.name...), l.list)
	}
	if r.GroupsOmitted {
		if len(b) > begin {
			b = append(b, ',')
		}
		b = append(b, `"groups_omitted":true`...)
	}
	return append(b, '}')
}

// appendList adds an array of texts, up to its bounds.
func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	begin := len(b)
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if i == maxList || len(b)-begin > maxRights {
			b = appendText(b, "…", maxText)
			break
		}
		b = appendText(b, s, maxText)
	}
	return append(b, ']')
}

func number(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), n, 10)
}

// appendTime adds a time in UTC, as wide as timeWidth whatever the year.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	year = min(max(year, 0), 9999)
	b = digits(b, year, 4)
	b = digits(append(b, '-'), int(month), 2)
	b = digits(append(b, '-'), day, 2)
	b = digits(append(b, 'T'), hour, 2)
	b = digits(append(b, ':'), minute, 2)
	b = digits(append(b, ':'), second, 2)
	b = digits(append(b, '.'), t.Nanosecond()/1000, 6)
	return append(b, 'Z')
}

func digits(b []byte, n, width int) []byte {
	at := len(b)
	b = append(b, "000000"[:width]...)
	for i := at + width - 1; n > 0 && i >= at; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// What appendText does with a byte.
const (
	plain   = iota // copies it
	special        // looks closer
)

// keyMark begins every API key of ours.
const keyMark = "gthk_"

// closer says which bytes of a text cannot simply be copied.
var closer = func() (t [256]byte) {
	for i := range t {
		if i < 0x20 || i >= 0x7f {
			t[i] = special
		}
	}
	t['"'], t['\\'], t[keyMark[0]] = special, special, special
	return t
}()

// appendText adds a JSON string of at most limit bytes between the quotes.
//
// What moves a cursor, ends a line or turns the direction of a text is written
// as \uXXXX, so that a line is one line wherever it is shown. What is not UTF-8
// becomes U+FFFD. A key of ours is cut to its id.
func appendText(b []byte, s string, limit int) []byte {
	b = append(b, '"')
	start, end := len(b), len(b)+limit-len("…")
	copied := 0
	for i := 0; i < len(s); {
		if closer[s[i]] == plain && len(b)+i-copied < end {
			i++
			continue
		}
		b = append(b, s[copied:i]...)
		mark := len(b)
		var next int
		b, next = appendOne(b, s, i)
		// The last character may still fit when nothing comes after it.
		if len(b) > end && (next < len(s) || len(b) > start+limit) {
			return append(b[:mark], `…"`...)
		}
		i, copied = next, next
	}
	return append(append(b, s[copied:]...), '"')
}

// appendOne adds the character at s[i] and returns where the next one is.
func appendOne(b []byte, s string, i int) (_ []byte, next int) {
	switch c := s[i]; {
	case c == keyMark[0]:
		if !strings.HasPrefix(s[i:], keyMark) {
			return append(b, c), i + 1
		}
		next = i + len(keyMark)
		for next < len(s) && inKey(s[next]) {
			next++
		}
		id := s[i:min(next, i+len(keyMark)+12)]
		return append(append(b, id...), "…"...), next
	case c == '"' || c == '\\':
		return append(b, '\\', c), i + 1
	case c == '\n':
		return append(b, '\\', 'n'), i + 1
	case c == '\t':
		return append(b, '\\', 't'), i + 1
	case c < utf8.RuneSelf:
		if c < 0x20 || c == 0x7f {
			return escape(b, rune(c)), i + 1
		}
		return append(b, c), i + 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	switch {
	case r == utf8.RuneError && size == 1:
		return append(b, `\ufffd`...), i + 1
	case unicode.IsPrint(r):
		return append(b, s[i:i+size]...), i + size
	}
	return escape(b, r), i + size
}

func inKey(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// escape adds a character as \uXXXX, as a pair beyond the first plane. RFC 8259 §7
func escape(b []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	one := func(r rune) {
		b = append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
	}
	if r > 0xffff {
		r -= 0x10000
		one(0xd800 + r>>10)
		r = 0xdc00 + r&0x3ff
	}
	one(r)
	return b
}

// appendArgs adds arguments as they are when they are what Redact makes, and as
// a string otherwise: a line must hold whatever is passed in.
func appendArgs(b []byte, args []byte) []byte {
	if len(args) <= maxArgs && harmless(args) && json.Valid(args) {
		return append(b, args...)
	}
	return appendText(b, string(args), maxArgs)
}

// harmless says whether a text holds nothing that appendText would write differently.
func harmless(text []byte) bool {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1, !unicode.IsPrint(r):
			return false
		case text[i] == keyMark[0] && bytes.HasPrefix(text[i:], []byte(keyMark)):
			// Redact leaves the id and an ellipsis, which is no part of a key.
			n := i + len(keyMark)
			for n < len(text) && inKey(text[n]) {
				n++
			}
			if n > i+len(keyMark)+12 {
				return false
			}
		}
		i += size
	}
	return true
}

// appendDetail adds what was changed, in the order of the names.
func appendDetail(b []byte, detail map[string]string) []byte {
	if len(detail) == 0 {
		return b
	}
	b = append(b, `,"detail":{`...)
	for i, name := range slices.Sorted(maps.Keys(detail)) {
		if i == maxDetails {
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, name, maxName)
		b = appendText(append(b, ':'), detail[name], maxText)
	}
	return append(b, '}')
}
