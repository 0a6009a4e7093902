package mcp

import (
	"unicode"
	"unicode/utf8"
)

// lookalike reports whether a member name that is none of ours is one to a
// lenient reader: in other case ("Method", "paramſ"), or padded with what
// nobody sees.
//
// encoding/json takes the last of "method" and "Method" for the method; the
// server behind us may be written with it.
func lookalike(name []byte, where place) bool {
	var buf [48]byte // longer than any folded name of ours
	folded := buf[:0]
	for len(name) > 0 {
		r, size := rune(name[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(name)
		}
		name = name[size:]
		if r = fold(r); r < 0 {
			continue
		}
		if len(folded)+utf8.UTFMax > len(buf) {
			return false
		}
		folded = utf8.AppendRune(folded, r)
	}
	return where.has(folded)
}

// fold returns the ASCII letter in lower case that some reader may take r for,
// any other rune as it is, and -1 when r leaves no ink: controls, spaces,
// marks, joiners. Beside A to Z these are the long s and the Kelvin sign of
// Unicode's simple case folding, and the Turkish i's, which only lower and
// upper make ASCII.
func fold(r rune) rune {
	switch {
	case 'A' <= r && r <= 'Z':
		return r + ('a' - 'A')
	case '!' <= r && r <= '~':
		return r
	case r <= 0x7f, !unicode.IsPrint(r), unicode.In(r, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point):
		return -1
	}
	for _, f := range [...]rune{unicode.ToLower(r), unicode.ToUpper(r)} {
		if f < utf8.RuneSelf {
			return unicode.ToLower(f)
		}
	}
	return r
}

// place is an object whose members mean something here.
type place uint8

const (
	inEnvelope place = iota
	inParams
	inMeta
	inRef
	inWatch
	inResult
	inCompletion
	inNamed // a tool or prompt
	inResource
	inTemplate
	inTask
)

// has reports whether a folded name is, folded, one of the place's.
func (p place) has(folded []byte) bool {
	switch p {
	case inEnvelope:
		switch string(folded) {
		case "jsonrpc", "id", "method", "params", "result", "error":
			return true
		}
	case inParams:
		switch string(folded) {
		case "name", "uri", "arguments", "_meta", "requestid", "taskid", "protocolversion", "clientinfo", "progresstoken",
			"cursor", "ref", "notifications":
			return true
		}
	case inMeta:
		switch string(folded) {
		case "progresstoken", metaPrefix + "protocolversion", metaPrefix + "clientinfo",
			metaPrefix + "clientcapabilities", metaPrefix + "loglevel", metaPrefix + "subscriptionid",
			metaPrefix + "related-task":
			return true
		}
	default:
		return p.hasOf(string(folded))
	}
	return false
}

// hasOf is has for the smaller places.
func (p place) hasOf(folded string) bool {
	switch p {
	case inRef:
		return folded == "type" || folded == "name" || folded == "uri"
	case inWatch:
		return folded == "resourcesubscriptions" || folded == "taskids"
	case inResult:
		switch folded {
		case "tools", "prompts", "resources", "resourcetemplates", "tasks", "completion", "cachescope", "nextcursor":
			return true
		}
	case inCompletion:
		return folded == "values" || folded == "total"
	case inNamed:
		return folded == "name"
	case inResource:
		return folded == "uri"
	case inTemplate:
		return folded == "uritemplate"
	case inTask:
		return folded == "taskid"
	default: // the others have their own list
	}
	return false
}
