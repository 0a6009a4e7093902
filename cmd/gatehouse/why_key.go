package main

import (
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/why"
)

// fixKey says what to do about a key that was not accepted (GH-1011). Which of the
// reasons it was, the trail has in words: TestWhyTellsKeys holds these to them.
func (a *app) fixKey(c *config.Config, d *why.Decision) string {
	at := a.place()
	reason := func(words string) bool { return strings.Contains(d.Reason, words) }
	switch {
	case d.Key == "":
		return "what came is neither a key nor a token of here: see that the client sends the whole key, or signs in"
	case reason("not a key that is accepted here") && c != nil && c.Auth.APIKeys == nil:
		return "no keys are accepted here: " + a.file + " has no auth.api_keys. Add it (auth: {api_keys: {}}), or have the client sign in"
	case reason(" revoked "):
		return "it was ended on purpose. If somebody still needs one: gatehouse key create" + at + " --name NAME"
	case reason(" expired "):
		return "give it another life with a new text: gatehouse key rotate" + at + " " + d.Key
	case reason("in none of its networks"):
		return "if that address shall use it: gatehouse key update" + at + " " + d.Key + " --ip NETWORKS; behind a proxy, see that server.trusted_proxies names it, else every caller has its address"
	case reason("client certificate"):
		return "have the client use the certificate that the key was made for: gatehouse key show" + at + " " + d.Key
	case reason("no key has the id"):
		return "the key is of another installation, or was deleted with its tenant. Those of this one: gatehouse key list" + at
	case reason("pepper"):
		return "start the server with the pepper that the key was made under (auth.api_keys.pepper, or GATEHOUSE_KEY_PEPPER), or make new keys"
	case reason("does not belong to key id"):
		return "it is not the text that was shown when the key was made: copy it again, or make another: gatehouse key rotate" + at + " " + d.Key
	case reason("tenant "):
		return "gatehouse tenant resume" + at + " NAME, if it shall be served again"
	}
	return "gatehouse key show" + at + " " + d.Key + " tells what became of it"
}
