package federation

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/oauth2"

	"github.com/gatehouse-mcp/gatehouse/internal/pattern"
	"github.com/gatehouse-mcp/gatehouse/internal/safehttp"
)

// what is a plain sentence about something that a provider says. Nothing that a
// provider writes is ever shown: it is a stranger's text on our page.
type what struct {
	code string // of ours
	text string // %s is the provider
}

// Ends of sentences.
const (
	nothing = " Nothing was granted."
	tell    = nothing + " Tell your administrator: "
)

// answers are the errors of an authorization endpoint that have a meaning.
// RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6
var answers = map[string]what{
	"access_denied":                {CodeDenied, "The sign-in at %s was cancelled, or %s did not let you in." + nothing},
	"login_required":               {CodeDenied, "%s wants you to sign in there first." + nothing},
	"interaction_required":         {CodeDenied, "%s wants something of you first. Sign in there, and start again." + nothing},
	"account_selection_required":   {CodeDenied, "%s wants you to choose an account first. Sign in there, and start again." + nothing},
	"consent_required":             {CodeDenied, "%s wants your consent first." + nothing},
	"server_error":                 {CodeUnavailable, "%s had a problem of its own. Try again in a minute." + nothing},
	"temporarily_unavailable":      {CodeUnavailable, "%s is busy at present. Try again in a minute." + nothing},
	"invalid_request":              {CodeSetup, "Signing in with %s is not set up correctly." + tell + "invalid_request."},
	"unauthorized_client":          {CodeSetup, "Signing in with %s is not set up correctly." + tell + "unauthorized_client."},
	"unsupported_response_type":    {CodeSetup, "Signing in with %s is not set up correctly." + tell + "unsupported_response_type."},
	"invalid_scope":                {CodeSetup, "Signing in with %s is not set up correctly." + tell + "invalid_scope."},
	"invalid_client":               {CodeSetup, "%s does not know this server by its client id and secret any more." + tell + "invalid_client."},
	"redirect_uri_mismatch":        {CodeSetup, "%s does not know the redirect URI of this server." + tell + "redirect_uri_mismatch."},                         // GitHub and Google
	"incorrect_client_credentials": {CodeSetup, "%s does not know this server by its client id and secret any more." + tell + "incorrect_client_credentials."}, // GitHub
	"application_suspended":        {CodeSetup, "%s has suspended the application." + tell + "application_suspended."},                                         // GitHub
	"unverified_user_email":        {CodeDenied, "%s wants you to verify your address there first." + nothing},                                                 // GitHub
	"org_internal":                 {CodeDenied, "%s lets in only people of its organization. Sign in with your work account." + nothing},                      // Google
}

// entra are the codes of Microsoft Entra ID (AADSTS…) that people and operators meet.
var entra = map[string]what{
	"50105":   {CodeDenied, "Your account is not assigned to this application. Ask your administrator to assign you."},
	"50020":   {CodeDenied, "Your account is not in the organization's directory. Sign in with your work account, or ask to be invited as a guest."},
	"50177":   {CodeDenied, "Your account is not in the organization's directory. Sign in with your work account, or ask to be invited as a guest."},
	"90072":   {CodeDenied, "Your account is not in the organization's directory. Sign in with your work account, or ask to be invited as a guest."},
	"50034":   {CodeDenied, "There is no such account in the organization's directory. Sign in with your work account."},
	"50053":   {CodeDenied, "Your account is locked for a while, because sign-ins failed too often or came from a suspicious address."},
	"50055":   {CodeDenied, "Your password has expired. Change it at Microsoft, and start again."},
	"50057":   {CodeDenied, "Your account is disabled. Ask your administrator."},
	"50074":   {CodeDenied, "A second factor is needed. Start again, and finish it."},
	"50076":   {CodeDenied, "A second factor is needed. Start again, and finish it."},
	"50079":   {CodeDenied, "You have to set up a second factor first. Sign in at Microsoft, and start again."},
	"50126":   {CodeDenied, "The name or the password was wrong."},
	"53000":   {CodeDenied, "A rule of your organization asks for a managed device, which this one is not."},
	"53001":   {CodeDenied, "A rule of your organization asks for a device of its domain, which this one is not."},
	"53003":   {CodeDenied, "A rule of your organization does not allow signing in from here, or from this device."},
	"65001":   {CodeDenied, "You, or an administrator, have to consent to this application first. Ask your administrator."},
	"65004":   {CodeDenied, "You did not consent to this application."},
	"90094":   {CodeDenied, "An administrator has to consent to this application first. Ask yours."},
	"900971":  {CodeSetup, "The application has no redirect URI."},
	"50011":   {CodeSetup, "The application does not have the redirect URI of this server."},
	"700016":  {CodeSetup, "There is no application with this client id in the directory."},
	"90002":   {CodeSetup, "There is no such directory."},
	"7000215": {CodeSetup, "The client secret is wrong: the value is needed, not the id of the secret."},
	"7000222": {CodeSetup, "The client secret has expired."},
	"700027":  {CodeSetup, "The certificate of the application does not fit the key."},
	"7000218": {CodeSetup, "The application is set up as one without a secret, or no secret was sent."},
	"70011":   {CodeSetup, "A scope that is asked for does not exist."},
	"500011":  {CodeSetup, "The application that scopes are asked of is not in the directory."},
	"28000":   {CodeSetup, "Scopes of several applications are asked for at once."},
	"9010010": {CodeSetup, "The resource is not the application whose scopes are asked for."},
	"901002":  {CodeSetup, "The resource parameter is not supported by this directory."},
	"50194":   {CodeSetup, "The application is of one directory, and another one was asked."},
	"90009":   {CodeSetup, "The application asks for a token for itself: give its scopes by its id."},
	"90033":   {CodeUnavailable, "Microsoft has a problem of its own. Try again in a minute."},
	"90025":   {CodeUnavailable, "Microsoft is busy. Try again in a minute."},
}

var aadsts = pattern.Lazy(`\bAADSTS([0-9]{4,8})\b`)

// denied refuses because of an error that the browser brought back.
func (b *base) denied(code, description string) *Refusal {
	cause := fmt.Errorf("the provider answered error %.80q, %.300q", code, description)
	if code == "" {
		return b.invalid(errors.New("the answer has neither a code nor an error"))
	}
	if r := b.fromEntra(description, cause); r != nil {
		return r
	}
	if w, ok := answers[code]; ok {
		return b.refuse(w.code, w.text, cause)
	}
	return b.refuse(CodeDenied, "%s did not let you in."+nothing, cause)
}

// fromEntra says in plain words what a code of Entra means; nil: there is none.
// The number is shown too: administrators search for it.
func (b *base) fromEntra(description string, cause error) *Refusal {
	if b.settings.Preset != "entra" {
		return nil
	}
	found := aadsts().FindStringSubmatch(description)
	if found == nil {
		return nil
	}
	w, ok := entra[found[1]]
	switch {
	case !ok:
		w = what{CodeDenied, "%s did not let you in." + nothing}
	case w.code == CodeSetup:
		w.text = "Signing in with %s is not set up correctly: " + strings.ToLower(w.text[:1]) + strings.TrimSuffix(w.text[1:], ".") + "." + nothing + " Tell your administrator."
	default:
		w.text = "%s did not let you in. " + w.text + nothing
	}
	return b.refuse(w.code, w.text+" (AADSTS"+found[1]+")", cause)
}

// exchangeFailed refuses because of what the token endpoint said, or did not.
func (b *base) exchangeFailed(err error) *Refusal {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) {
		if answered := new(safehttp.RedirectError); errors.As(err, &answered) {
			return b.invalid(err)
		}
		if reason := safehttp.Reason(err); reason != "not understood" {
			return b.away(fmt.Errorf("token endpoint: %s", reason))
		}
		return b.invalid(errors.New("the token endpoint's answer is not understood")) // its text may hold a token
	}
	cause := errors.New("token endpoint: " + told(said))
	if r := b.fromEntra(said.ErrorDescription, cause); r != nil {
		return r
	}
	status := 0
	if said.Response != nil {
		status = said.Response.StatusCode
	}
	switch w, known := answers[said.ErrorCode]; {
	case said.ErrorCode == "invalid_grant" || said.ErrorCode == "bad_verification_code": // the second: GitHub
		return b.refuse(CodeState, "%s says that this sign-in has ended, or was used before."+nothing+" Start again from your application.", cause)
	case known:
		return b.refuse(w.code, w.text, cause)
	case status == 401 || status == 403:
		return b.refuse(CodeSetup, answers["invalid_client"].text, cause)
	case status >= 500 || status == 429:
		return b.away(cause)
	}
	return b.invalid(cause)
}

// unverified refuses because of an ID token.
func (b *base) unverified(err error) *Refusal {
	if strings.Contains(err.Error(), "fetching keys") { // the library has no other sign
		return b.away(errors.New("the provider's keys cannot be fetched"))
	}
	return b.invalid(fmt.Errorf("ID token: %.300w", err))
}
