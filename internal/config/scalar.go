package config

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
	"github.com/gatehouse-mcp/gatehouse/internal/unit"
)

var (
	ratesType  = reflect.TypeFor[[]ToolRate]()
	secretType = reflect.TypeFor[Secret]()

	// secretName is what variables with secrets in them are called.
	secretName = pattern.Lazy(`(?i)((^|_)(TOKEN|KEY|APIKEY|SECRET|PASSWD|PASSPHRASE|CREDENTIALS?)$|PASSWORD)`)
)

// scalar reads one text into a field.
func (r *reader) scalar(n ast.Node, path string, s *setting, into reflect.Value) {
	text, ok := r.text(n, path, s)
	if !ok {
		return
	}
	err := s.judge(text, into)
	if err == nil && s.form == formPath {
		into.SetString(r.within(into.String()))
	}
	if s.form == formAddress && err == nil {
		into.SetString(r.address(text))
	}
	if err == nil {
		return
	}
	if r.source.at[path].hidden { // the sentence may repeat a part of it
		err = errors.New("is wrong: what the reference stands for does not fit here")
	}
	r.fail(n, path, "%v", err)
	r.mistakes[len(r.mistakes)-1].Code = mistakeOf("", err).Code
}

// judge puts a text into a field, or says why it does not belong there.
func (s *setting) judge(text string, into reflect.Value) error {
	if slices.Contains(s.other, text) {
		return fmt.Errorf("%q is not available in this version of gatehouse", text)
	}
	if s.one != nil && !slices.Contains(s.one, text) {
		hint := ""
		if near := closest(text, s.one); near != "" {
			hint = fmt.Sprintf(". Did you mean %q?", near)
		}
		return fmt.Errorf("%.40q is not %s%s", text, choice(s.one), hint)
	}
	if s.form == formAddress {
		if err := CheckAddress(text); err != nil {
			return err
		}
	}
	if err := put(text, into); err != nil {
		return err
	}
	if s.check != nil {
		if err := s.check(text); err != nil {
			return err
		}
	}
	if s.least != "" {
		least := reflect.New(into.Type()).Elem()
		if err := put(s.least, least); err != nil {
			return err
		}
		if into.Int() < least.Int() {
			return fmt.Errorf("%.40q is less than %s", text, s.least)
		}
	}
	return nil
}

// choice lists what may be said: "allow or deny".
func choice(all []string) string {
	if len(all) == 1 {
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

// put converts a text to the type of a field.
func put(text string, into reflect.Value) (err error) {
	switch v := into.Addr().Interface().(type) {
	case *bool:
		if *v = text == "true"; !*v && text != "false" {
			return fmt.Errorf("%.40q is not true or false", text)
		}
	case *int:
		if *v, err = strconv.Atoi(text); err != nil || *v < 0 || *v > 1_000_000_000 {
			return fmt.Errorf("%.40q is not a whole number", text)
		}
	case *int64:
		*v, err = unit.ParseBytes(text)
	case *time.Duration:
		*v, err = unit.ParseDuration(text)
	case *unit.Rate:
		*v, err = unit.ParseRate(text)
	case *netip.Prefix:
		*v, err = Network(text)
	default: // string or Secret
		into.SetString(text)
	}
	return err
}

// Network reads a network, or an address, which is a network of one.
func Network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%.60q is not an address or a network like 10.0.0.0/8", text)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("%.60q has bits beyond its length; did you mean %s or %s?", text, p.Masked(), p.Addr())
	}
	return p, nil
}

// text returns a scalar as it is written, so that a port, a flag or a version
// need no quotes, with its references resolved.
func (r *reader) text(n ast.Node, path string, s *setting) (string, bool) {
	raw, ok := r.written(n, path, s)
	if !ok {
		return "", false
	}
	if s.form == formText {
		if strings.TrimSpace(raw) == "" {
			r.fail(n, path, "is empty")
			return "", false
		}
		r.source.found(path, n, found{text: raw}, s)
		return raw, true
	}
	refers := strings.Contains(raw, "${")
	if why := literal(s, raw, refers); why != "" {
		r.fail(n, path, "%s", why)
		return "", false
	}
	found, err := r.resolve(raw)
	if err != nil {
		r.fail(n, path, "%v", err)
		return "", false
	}
	r.source.found(path, n, found, s)
	if err := printable(found.text); err != nil {
		r.fail(n, path, "%v", err)
		return "", false
	}
	if found.text == "" && !s.empty {
		r.fail(n, path, "is empty")
		return "", false
	}
	return found.text, true
}

// literal says why a text has to come from elsewhere, or "". A file is copied,
// mailed and committed; a secret in it is everybody's.
func literal(s *setting, raw string, refers bool) string {
	const instead = `Say "${NAME}" for a variable of the environment, or "${file:/path}" for a file that only gatehouse may read`
	switch {
	case strings.HasPrefix(raw, "keychain:"):
		return `names a keychain, which is not available in this version of gatehouse. ` + instead
	case s.form == formSecret && !wholly().MatchString(raw):
		return "is a secret, and a file is copied and committed. " + instead
	case s.form == formPartial && !refers:
		return `has a secret in it, and a file is copied and committed. Refer to it, as in "Bearer ${UPSTREAM_TOKEN}"`
	case s.form == formEnv && secretName().MatchString(s.key) && raw != "" && !refers:
		return "looks like a secret by its name. " + instead + "; better under secrets, which are shown nowhere"
	}
	return ""
}

// written returns a scalar as it stands in the file.
func (r *reader) written(n ast.Node, path string, set *setting) (string, bool) {
	var s string
	switch v := n.(type) {
	case *ast.StringNode:
		s = v.Value
	case *ast.LiteralNode:
		s = v.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		s = n.GetToken().Value
	case nil, *ast.NullNode:
		r.fail(n, path, "has no value")
		return "", false
	default:
		if text, ok := unparted(n); ok {
			s = text
			break
		}
		r.fail(n, path, "needs to be plain text; anchors, tags and nested values have no meaning here")
		return "", false
	}
	switch {
	case apiKey().MatchString(s):
		r.fail(n, path, "holds a gatehouse key. A file is copied and committed: revoke the key and pass secrets as ${NAME}")
		return "", false
	case privateKey().MatchString(s):
		r.fail(n, path, "holds a private key. A file is copied and committed: replace the key, and name the file that it is in")
		return "", false
	}
	lines := s
	if set.form == formText {
		lines = strings.ReplaceAll(strings.TrimSpace(s), "\n", " ")
	}
	if err := printable(lines); err != nil {
		r.fail(n, path, "%v", err)
		return "", false
	}
	return s, true
}

// unparted returns the text of a plain word with a colon in it, such as notes:read,
// which the parser takes for a mapping when it stands in [ ] within { }.
// YAML 1.2.2 §7.3.3
func unparted(n ast.Node) (string, bool) {
	m, ok := n.(*ast.MappingNode)
	if !ok || m.IsFlowStyle || len(m.Values) != 1 {
		return "", false
	}
	entry := m.Values[0]
	k, v := entry.Key.GetToken(), entry.Value.GetToken()
	if k == nil || v == nil || k.Type != token.StringType || v.Position.Line != k.Position.Line ||
		entry.Start.Position.Offset+1 != v.Position.Offset {
		return "", false
	}
	switch entry.Value.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
	default:
		return "", false
	}
	return k.Value + ":" + v.Value, v.Type != token.SingleQuoteType && v.Type != token.DoubleQuoteType
}

func printable(s string) error {
	if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return errors.New("contains a line break or another control character")
	}
	return nil
}

// within takes a path relative to the file, and "~/" relative to HOME.
func (r *reader) within(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, ok := r.outside.lookup("HOME"); ok && filepath.IsAbs(home) {
			return filepath.Join(home, rest)
		}
	}
	if r.dir == "" || path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// address completes a port, and takes a socket relative to the file.
func (r *reader) address(text string) string {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return "unix:" + r.within(path)
	}
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return "127.0.0.1:" + text
	}
	return text
}
