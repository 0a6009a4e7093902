package probe

import "strings"

// named compares what the server calls itself with the URL it was reached at.
var named = &Rule{
	Code: "GH-2122", Name: "resource", Title: "The resource in the metadata is the URL that clients have",
	Group: Discovery, Severity: High, Spec: true,
	Why:   "Clients refuse metadata of another resource, and tokens are bound to that string: with another one every sign-in succeeds and every call after it is a 401.",
	Fix:   "Set resource to the public URL of the server, byte for byte, with its path and without a slash at the end.",
	Links: []Link{rfc("9728", "3.3"), rfc("8707", "2"), mcpAuthorization},
	Mend:  mendPublicURL,
	Check: func(r *run, t *tally) {
		m, ok := r.described(t)
		if !ok {
			return
		}
		mine := *r.target
		mine.RawQuery, mine.User = "", nil
		url := mine.String()
		x := m.used.x
		switch {
		case m.Resource == url:
			t.pass(x, "resource = %s (equals the URL you gave)", place(url))
		case strings.TrimSuffix(m.Resource, "/") == strings.TrimSuffix(url, "/"):
			if mine.Path == "/" {
				t.pass(x, "resource = %s (the URL you gave; of an origin the slash does not count)", place(m.Resource))
				return
			}
			t.warn(x, "resource is %q and the URL you gave is %q: only the final \"/\" differs, and some clients compare it", m.Resource, url)
		case strings.EqualFold(m.Resource, url):
			t.warn(x, "resource is %q and the URL you gave is %q: only the case differs", m.Resource, url)
		case strings.HasPrefix(url, strings.TrimSuffix(m.Resource, "/")+"/"):
			t.warn(x, "resource is %q, a parent of the URL you gave: some clients accept that, strict ones do not", m.Resource)
		default:
			t.fail(x, "resource is %q and the URL you gave is %q", shown(m.Resource), url)
		}
	},
}
