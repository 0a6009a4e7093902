package probe

import "crypto/tls"

// versions asks for TLS as it was, and as it is.
var versions = &Rule{
	Code: "GH-2109", Name: "tls-versions", Title: "TLS is 1.2 or newer",
	Group: Transport, Point: 4, Severity: High,
	Why:   "TLS 1.0 and 1.1 have known weaknesses and are not to be spoken any more.",
	Fix:   "Turn TLS 1.0 and 1.1 off, and TLS 1.3 on.",
	Links: []Link{rfc("8996", ""), rfc("9325", "3.1.1")},
	Check: func(r *run, t *tally) {
		if r.target.Scheme != "https" {
			t.without("the URL is not https")
			return
		}
		speaks := func(v uint16) bool {
			// Only whether a version is spoken: nothing is sent over this connection.
			_, err := r.handshake(&tls.Config{InsecureSkipVerify: true, MinVersion: v, MaxVersion: v}) //nolint:gosec // see above
			return err == nil
		}
		new13, new12 := speaks(tls.VersionTLS13), speaks(tls.VersionTLS12)
		switch {
		case speaks(tls.VersionTLS10):
			t.fail(nil, "TLS 1.0 is spoken")
		case speaks(tls.VersionTLS11):
			t.fail(nil, "TLS 1.1 is spoken")
		case new13:
			t.pass(nil, "TLS 1.3; 1.1 and older are refused")
		case new12:
			t.warn(nil, "TLS 1.2 at best: 1.3 is not spoken")
		default:
			t.unknown(nil, "no TLS connection")
		}
	},
}
