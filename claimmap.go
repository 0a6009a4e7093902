package gatehouse

// ClaimMap says where an issuer puts identity and rights. The zero value is the
// profile of RFC 9068: sub, client_id, scope, roles, groups.
//
// A path is the name of a claim, or names joined by dots that lead into objects.
// A claim whose name is the whole path comes first, so "https://acme.com/roles"
// is one name. "*" stands for every member: in "resource_access.*.roles" its name
// goes before each value, as in "crm:admin"; at the end of a path, as in
// "urn:roles.*", the names themselves are the values, or the texts of a list.
// "=acme" is no path but a text: what the issuer does not say is the same for all.
type ClaimMap struct {
	Subject []string // of several paths the first that is there wins, here and below
	Client  []string
	Tenant  []string
	Scopes  []string // a string with blanks, or an array
	Name    []string
	Email   []string // counts if email_verified is true

	// Of these, all paths are added up.
	Permissions []string
	Roles       []string
	Groups      []string

	Drop          []string // patterns with '*' of roles and groups that say nothing
	ScopePrefix   []string // taken off the scopes that begin with one of them
	GroupsOmitted []string // paths that are there if groups were left out
	Service       []ClaimRule
}

// ClaimRule is true of claims that have a path, with a value if one is given.
type ClaimRule struct {
	Claim  string // a path
	Equals string // empty: being there is enough
}
