package probe

// issuerRule looks for the metadata of the authorization server, as clients have to.
var issuerRule = &Rule{
	Code: "GH-2124", Name: "issuer", Title: "The authorization server's metadata is found, and its issuer is exact",
	Group: Issuer, Severity: High, Spec: true,
	Why:   "Clients compare the issuer byte by byte with the name in the metadata of the resource and refuse a document of another: else one server could pass for another.",
	Fix:   "Use one string, without a slash at the end, as issuer, in authorization_servers, in iss and in tokens.",
	Links: []Link{rfc("8414", "3"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		m, ok := r.described(t)
		if !ok {
			return
		}
		i := r.authServer()
		if i == nil {
			t.without("the metadata names no authorization server")
			return
		}
		if i.meta != nil {
			t.pass(i.doc.x, "%s: issuer matches, found at %s", place(i.name), place(i.meta.URL))
			return
		}
		seen := false
		for _, d := range i.tried {
			seen = seen || d.x.Status != 0
		}
		var x *Exchange
		if len(i.tried) > 0 {
			x = i.tried[len(i.tried)-1].x
		}
		if !seen && len(i.tried) > 0 {
			t.unknown(x, "%s does not answer from here: %s", place(i.name), i.why)
			return
		}
		t.fail(x, "no metadata of %s: %s", place(m.Servers[0]), i.why)
	},
}
