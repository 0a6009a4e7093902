package gatehouse

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// audience says which values of aud are ours.
type audience struct {
	resource []string // our resource; a URL in both spellings, with and without a slash at its end
	url      bool     // it is a URL
	more     []string
	unread   bool
}

func newAudience(resource string, more []string, unread bool) (audience, error) {
	a := audience{more: more, unread: unread}
	switch {
	case unread && (resource != "" || len(more) > 0):
		return a, errors.New("InsecureNoAudience is set, and so is Audience or Audiences")
	case unread:
		return a, nil
	case resource == "":
		return a, errors.New("Audience is empty: a token for any other service would be accepted")
	case slices.Contains(more, ""):
		return a, errors.New("Audiences has an empty value")
	}
	a.resource = []string{resource}
	if a.url = strings.HasPrefix(resource, "https://") || strings.HasPrefix(resource, "http://"); a.url {
		other := resource + "/"
		if short, ok := strings.CutSuffix(resource, "/"); ok {
			other = short
		}
		a.resource = append(a.resource, other)
	}
	return a, nil
}

// maxAudiences bounds aud.
const maxAudiences = 64

// readAudience reads aud: one text or a list of them; nil: there is none. RFC 7519 §4.1.3
func readAudience(claims *jws.Object) ([]string, error) {
	v, there := claims.Get("aud")
	if !there || jws.IsNull(v) {
		return nil, nil
	}
	if one, ok := jws.Text(v); ok {
		return []string{one}, nil
	}
	list, ok := jws.Texts(v)
	if !ok || len(list) > maxAudiences {
		return nil, refuse("GH-1104", "The token is not for this server.", `"aud" of the token is neither a text nor a list of at most %d`, maxAudiences)
	}
	return list, nil
}

// judge reports why a token is not for us. It returns true if it is for our URL,
// which nothing but an access token is. RFC 8707 §2, RFC 9068 §4
func (a *audience) judge(aud []string) (bool, error) {
	if a.unread {
		return false, nil
	}
	for _, got := range aud {
		if slices.Contains(a.resource, got) {
			return a.url, nil
		}
	}
	for _, got := range aud {
		if slices.Contains(a.more, got) {
			return false, nil
		}
	}
	return false, refuse("GH-1104", "The token is not for this server.", "%w", a.story(aud))
}

func (a *audience) story(aud []string) error {
	ours := fmt.Sprintf("this server's resource %q", a.resource[0])
	if len(a.more) > 0 {
		ours += " or " + quoted(a.more)
	}
	switch len(aud) {
	case 0:
		return fmt.Errorf("the token has no aud, so it may be for anybody; expected is %s. The client has to ask with resource=, and the issuer to put it in", ours)
	case 1:
		return errors.New("aud " + differs(aud[0], "this server's resource", append(a.resource[:1:1], a.more...)))
	}
	return fmt.Errorf("aud [%s] does not contain %s", quoted(aud), ours)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
