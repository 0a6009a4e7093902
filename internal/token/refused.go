package token

import "github.com/gatehouse-mcp/gatehouse"

// Refused is the refusal of a token that its issuer accepted: whose it is, is
// known. That is for operators alone; whoever is refused is told no more than by
// the refusal in it.
type Refused struct {
	Refusal *gatehouse.Error
	Issuer  string // iss
	Subject string
	Client  string // the OAuth client; empty: none is told
	TokenID string // jti; empty: the token has none
}

// Error returns the code and what strangers may read.
func (r *Refused) Error() string { return r.Refusal.Error() }

// Unwrap returns the refusal.
func (r *Refused) Unwrap() error { return r.Refusal }

func refused(why *gatehouse.Error, who *gatehouse.Identity) error {
	return &Refused{Refusal: why, Issuer: who.Issuer, Subject: who.Subject, Client: who.Client, TokenID: who.TokenID}
}

// Refused refuses who came with an accepted token, for a reason of another's.
func (a *Active) Refused(why *gatehouse.Error) error { return refused(why, &a.Identity) }
