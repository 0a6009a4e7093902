package gatehouse

import "time"

// Identity says who is calling, as far as a verified credential tells.
type Identity struct {
	Tenant  string    // the id of the tenant the caller belongs to
	Subject string    // who, stable over rotation: "key:" and the first key's id
	KeyID   string    // the API key presented; empty when the credential was none
	Name    string    // what the owner calls the credential; for people, never for decisions
	Expires time.Time // when the credential ends; zero: never
}
