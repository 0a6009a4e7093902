package gatehouse

import "time"

// Identity says who is calling, as far as a verified credential tells. It may
// be shared by many requests: nobody changes it.
type Identity struct {
	Issuer  string // who vouches for the caller: the token's iss; empty: an API key
	Subject string // who; unique within Issuer, and stable. "key:" and the first key's id for an API key
	Kind    Kind   // a person or a program; empty: not known
	Tenant  string // the tenant that the caller belongs to; empty: none is told
	Client  string // the OAuth client that the token was issued to; empty: none is told

	// Rights. Nil is not empty: it means that the credential does not speak of them.
	Scopes      []string
	Permissions []string
	Roles       []string
	Groups      []string

	// GroupsOmitted says that the caller is in groups which the token leaves out,
	// because they are too many for it. Whatever asks for one has to be denied.
	GroupsOmitted bool

	Name  string // for people, never for decisions
	Email string // empty unless the issuer says that it is verified

	KeyID    string    // the API key presented; empty when the credential was none
	TokenID  string    // jti; empty: the token has none
	Issued   time.Time // iat; zero: not told
	SignedIn time.Time // auth_time: when the caller last proved who they are; zero: not told
	Expires  time.Time // when the credential ends; zero: never
	Actor    []string  // who acts for the caller, nearest first: the subjects of act. RFC 8693 §4.1

	// Claims is the JSON object of everything that the issuer says; nil for an API key.
	Claims []byte
}

// Kind tells people and programs apart.
type Kind string

// The kinds of callers.
const (
	KindUser    Kind = "user"
	KindService Kind = "service"
)
