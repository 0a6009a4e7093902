package probe

// iss looks for what keeps an answer of one authorization server from another.
var iss = &Rule{
	Code: "GH-2127", Name: "iss", Title: "The authorization server says who answers (iss)",
	Group: Issuer, Point: 8, Severity: Medium, Spec: true,
	Why:   "A client that uses several authorization servers can be made to send the code of one to another. With iss in the answer it sees that. ChatGPT has its lasting redirect URI only then.",
	Fix:   "Send iss with every authorization response, errors too, and advertise authorization_response_iss_parameter_supported: true.",
	Links: []Link{rfc("9207", "2"), mcpAuthorization},
	Check: func(r *run, t *tally) {
		i, ok := r.issued(t)
		if !ok {
			return
		}
		if !i.meta.IssParameter {
			t.warn(i.doc.x, "authorization_response_iss_parameter_supported is not true")
			return
		}
		t.pass(i.doc.x, "iss is advertised")
	},
}
