package why

import (
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/docs/reference"
	"github.com/gatehouse-mcp/gatehouse/internal/audit"
)

// advise says what a login that came to nothing usually comes of, and what to do.
// The causes are those that are known of clients, the most frequent first.
func (l *Login) advise() {
	if !l.Failed() {
		return
	}
	row := reference.ErrorOf(l.Code)
	switch {
	case l.State == Refused && l.Stopped == StepConsent && l.Code == "":
		l.Fix = append(l.Fix, "nothing was granted, as the person wanted; connecting again in the client asks again")
	case l.State == Refused && l.Stopped == StepUnsigned:
		l.unsigned()
	case l.State == Refused:
		if row.Meaning != "" {
			l.Causes = append(l.Causes, reference.Text(row.Meaning))
		}
		if row.Do != "" {
			l.Fix = append(l.Fix, whatToDo(row))
		}
		if s := l.outcomes[l.Stopped]; s != nil && s.Request != "" {
			l.Fix = append(l.Fix, "gatehouse why "+s.Request+" tells more of that request")
		}
	case l.Stopped == StepToken:
		l.unredeemed()
	case l.Stopped == StepCall:
		l.unused()
	case l.Stopped == StepCallback:
		l.Causes = append(l.Causes, "the person closed the page of the provider, or had no account there",
			"the provider showed an error of its own and sent nobody back: its redirect URI, client or consent is not set up as ours says")
		l.Fix = append(l.Fix, "gatehouse idp login-test goes the same way and shows what the provider answers")
	case l.Stopped == StepCode:
		l.Causes = append(l.Causes, "the consent page was shown again after the sign-in, since the app had changed, and nobody answered it")
		l.Fix = append(l.Fix, "connect again in the client")
	default:
		l.Causes = append(l.Causes, "the person closed the page, or went on in another window",
			"the browser keeps no cookies for this site, or the client opened a browser in which nobody looks")
		l.Fix = append(l.Fix, "connect again in the client; a page is good for ten minutes")
	}
}

// unredeemed is a code that nobody exchanged.
func (l *Login) unredeemed() {
	if l.Redirect != "" {
		l.Causes = append(l.Causes, fmt.Sprintf("the answer did not reach the client at %s: its listener had ended (a code is good for a minute), or a firewall, a browser extension or another program on that port took it", l.Redirect))
	}
	l.Causes = append(l.Causes,
		"the client does not believe the answer: the iss parameter, or issuer in the metadata, is not the string that it began with (another host, http for https, a slash at the end)",
		"the client cannot reach the token endpoint: it runs elsewhere than the browser, and a firewall, a bot rule or a single sign-on page in front answers it with HTML or a redirect",
		"the token endpoint answers it too late (clients give up after about ten seconds), or not as JSON",
		"the client runs in a browser, and a proxy in front takes away the CORS headers, or answers OPTIONS itself")
	l.Fix = append(l.Fix,
		"from where the client runs: gatehouse check URL says whether the token endpoint answers as it should, and the metadata names the same issuer",
		"see that every path of this host, with and without a slash at the end, goes to Gatehouse, and to nothing in front of it that asks for a sign-in")
	l.Fix = append(l.Fix, l.again())
}

// unused is a token that nobody used.
func (l *Login) unused() {
	l.Causes = append(l.Causes,
		"the client does not find its server in the metadata: resource there has to be the URL that was typed into the client, letter by letter",
		"the calls go to another place: a load balancer sends /mcp elsewhere than /mcp/, or a redirect takes them to another host",
		"the client lost the answer of the token endpoint, or did not like it: it got other scopes than it wanted, or gave up before it came",
		"the client keeps the token for later: a server that is switched off there, or needs a restart of the client")
	l.Fix = append(l.Fix,
		"compare the URL in the client with resource in /.well-known/oauth-protected-resource"+of("which is", l.Resource),
		"from where the client runs: gatehouse check URL says whether it answers 401 with WWW-Authenticate, with and without a slash at the end",
		l.again())
}

// unsigned is a token that was given out, while calls came without one.
func (l *Login) unsigned() {
	l.Causes = append(l.Causes,
		"the client does not send the token: it did not keep it, or another copy of it called",
		"something between takes Authorization away: a redirect to another host or from http to https, or a proxy",
		"the header is sent in another form than Authorization: Bearer TOKEN")
	l.Fix = append(l.Fix, "send the client to the URL that the metadata has, and have nothing in front redirect it", l.again())
	if s := l.outcomes[StepUnsigned]; s.Outcome != audit.OK && s.Request != "" {
		l.Fix = append(l.Fix, "gatehouse why "+s.Request+" tells what that call came with")
	}
}

// again is how a client begins anew.
func (l *Login) again() string {
	return "then remove the server in the client, add it again, and look with gatehouse why --client ID"
}
