// Package adminapi is how a running Gatehouse is managed: the wire types of its
// admin door, the unix socket that the door listens on, and the door's client.
//
// The door answers JSON. A refusal is an [Error] with the HTTP status that fits.
package adminapi

import (
	"fmt"
	"time"
)

// Key is an API key as an operator sees it.
type Key struct {
	ID              string     `json:"id"`
	Key             string     `json:"key,omitempty"` // the secret: only in the answer that made it
	Name            string     `json:"name"`
	Tenant          string     `json:"tenant"`                 // the tenant's name
	State           string     `json:"state"`                  // active, retiring, replaced, expired or revoked
	TenantState     string     `json:"tenant_state,omitempty"` // suspended or deleted: the key is refused whatever its state
	Tools           []string   `json:"tools"`
	Networks        []string   `json:"networks"` // none: anywhere
	Note            string     `json:"note,omitempty"`
	Limit           string     `json:"limit,omitempty"`       // of its calls, such as 60/min; absent: none of its own
	Certificate     string     `json:"certificate,omitempty"` // "sha256:" and the thumbprint of the client certificate it needs
	Created         time.Time  `json:"created"`
	Expires         *time.Time `json:"expires"` // null: never
	Replaces        string     `json:"replaces,omitempty"`
	ReplacedBy      string     `json:"replaced_by,omitempty"`
	RetireAt        *time.Time `json:"retire_at,omitempty"` // when the overlap after a rotation ends
	RevokedAt       *time.Time `json:"revoked_at,omitempty"`
	RevokedBy       string     `json:"revoked_by,omitempty"`
	Reason          string     `json:"reason,omitempty"`
	LastUsed        *time.Time `json:"last_used"` // null: never
	LastUsedAddress string     `json:"last_used_address,omitempty"`
	LastUsedClient  string     `json:"last_used_client,omitempty"`
	LastUsedTool    string     `json:"last_used_tool,omitempty"`
	DryRun          bool       `json:"dry_run,omitempty"` // nothing was changed
}

// NewKey asks for a key. Expires is as [ParseExpiry] reads it; empty: as the
// installation is configured, else [DefaultLifetime].
type NewKey struct {
	Name     string   `json:"name"`
	Tenant   string   `json:"tenant,omitempty"` // name or id; empty: the default tenant
	Tools    []string `json:"tools,omitempty"`  // patterns; empty: all tools
	Networks []string `json:"networks,omitempty"`
	Note     string   `json:"note,omitempty"`
	Expires  string   `json:"expires,omitempty"`

	Limit       string `json:"limit,omitempty"`       // such as 60/min; empty: none of its own
	Certificate string `json:"certificate,omitempty"` // "sha256:" and a thumbprint; empty: none is needed
}

// KeyChange names what to change; what is absent stays.
type KeyChange struct {
	Name     *string   `json:"name,omitempty"`
	Tools    *[]string `json:"tools,omitempty"`
	Networks *[]string `json:"networks,omitempty"`
	Note     *string   `json:"note,omitempty"`
	Expires  *string   `json:"expires,omitempty"` // as NewKey's

	Limit       *string `json:"limit,omitempty"`       // "off": none of its own
	Certificate *string `json:"certificate,omitempty"` // "off": none is needed
}

// Rotate asks for a successor. Overlap is a Go duration or days ("7d"); empty:
// as the installation is configured, else [DefaultOverlap].
type Rotate struct {
	Overlap string `json:"overlap,omitempty"`
}

// Revoke says why.
type Revoke struct {
	Reason string `json:"reason,omitempty"`
}

// Verify asks what a key is worth.
type Verify struct {
	Key string `json:"key"`
}

// Verdict answers it. Reason and Code are set when the key is not valid.
type Verdict struct {
	Valid  bool   `json:"valid"`
	Code   string `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	Key    *Key   `json:"api_key,omitempty"` // null: the key is not known here
}

// ImportKey is one key minted elsewhere: its text, or its id and the hash of it.
type ImportKey struct {
	NewKey
	Key  string `json:"key,omitempty"`
	ID   string `json:"id,omitempty"`
	Hash string `json:"hash,omitempty"` // "sha256:" and 64 hex digits
}

// Import is a list of keys, judged one by one.
type Import struct {
	Keys []ImportKey `json:"keys"`
}

// Imported says what became of each, in the order they came in.
type Imported struct {
	Results []ImportResult `json:"results"`
}

// ImportResult is one of [Imported]: the key or the error is set.
type ImportResult struct {
	Key   *Key   `json:"imported,omitempty"`
	Error *Error `json:"error,omitempty"`
}

// Tenant is a customer as an operator sees it.
type Tenant struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	State   string    `json:"state"` // active, suspended or deleted
	Created time.Time `json:"created"`
	Changed time.Time `json:"changed"` // of state
	Keys    int       `json:"keys"`    // that are honoured, but for a suspension
	DryRun  bool      `json:"dry_run,omitempty"`

	ExternalIDs []ExternalID `json:"external_ids,omitempty"` // what issuers of tokens call it
}

// NewTenant asks for a tenant.
type NewTenant struct {
	Name        string       `json:"name"`
	ExternalIDs []ExternalID `json:"external_ids,omitempty"`
}

// Status describes the server that answers.
type Status struct {
	Running  bool           `json:"running"` // false: the command opened the store itself
	PID      int            `json:"pid"`
	URL      string         `json:"url,omitempty"` // of the first server
	Version  string         `json:"version"`
	Since    time.Time      `json:"since,omitzero"`
	Config   string         `json:"config,omitempty"` // hash of the configuration in force
	Loaded   time.Time      `json:"loaded,omitzero"`  // when it was loaded
	Listen   []string       `json:"listen,omitempty"`
	Servers  []ServerStatus `json:"servers,omitempty"`
	Issuers  []IssuerStatus `json:"issuers,omitempty"`
	Ready    bool           `json:"ready"`              // callers are served, whatever else is wrong
	Problems []string       `json:"problems,omitempty"` // none: all is well
	Weakened []string       `json:"weakened,omitempty"` // settings that weaken a check
}

// ServerStatus describes one MCP server that is protected.
type ServerStatus struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	UnderWay int    `json:"under_way"` // calls and streams
}

// IssuerStatus describes one identity provider whose access tokens are accepted.
type IssuerStatus struct {
	Name    string     `json:"name"`
	Issuer  string     `json:"issuer"`
	Keys    string     `json:"keys"`              // where they come from
	Kids    []string   `json:"kids,omitempty"`    // of those that are known
	Fetched *time.Time `json:"fetched,omitempty"` // when they were last fetched; nil: never
	Failing *time.Time `json:"failing,omitempty"` // since when they cannot be; nil: they can
	Until   *time.Time `json:"until,omitempty"`   // until when those that are known serve then
	Problem string     `json:"problem,omitempty"` // why the last attempt failed
}

// Reload says what a reload changed, by the hashes of the configurations.
type Reload struct {
	Before  string `json:"before"`
	After   string `json:"after"` // in force now
	Changed bool   `json:"changed"`
	DryRun  bool   `json:"dry_run,omitempty"` // so it would be
}

// Database describes the store.
type Database struct {
	Engine   string    `json:"engine"`
	Path     string    `json:"path"`
	Bytes    int64     `json:"bytes"`    // on disk
	Schema   int64     `json:"schema"`   // number of the last migration
	Revision int64     `json:"revision"` // grows with every change of keys and tenants
	Tenants  int64     `json:"tenants"`  // that are not deleted
	Keys     int64     `json:"keys"`     // that are not revoked
	At       time.Time `json:"at"`
	DryRun   bool      `json:"dry_run,omitempty"`
}

// Backup asks for a copy of the store at a path that does not exist yet.
type Backup struct {
	Path string `json:"path"`
}

// SigningKey is a key that we sign with, its private half excepted.
type SigningKey struct {
	ID      string     `json:"kid"`
	Alg     string     `json:"alg"`
	State   string     `json:"state"`           // next, current, retiring or retired
	Created time.Time  `json:"created"`         // published since
	Signs   time.Time  `json:"signs"`           // signs from then on
	Stops   *time.Time `json:"stops,omitempty"` // signs no longer from then on, as things stand
	Gone    *time.Time `json:"gone,omitempty"`  // is published no longer
	DryRun  bool       `json:"dry_run,omitempty"`
}

// RotateSigning asks for the next signing key.
type RotateSigning struct {
	Now bool `json:"now,omitempty"` // it signs at once
}

// RetiredSigning answers a retirement.
type RetiredSigning struct {
	Retired SigningKey  `json:"retired"`
	Signs   *SigningKey `json:"signs,omitempty"` // the key that signs in its place, if it signed
	DryRun  bool        `json:"dry_run,omitempty"`
}

// Error is a refusal.
type Error struct {
	Status  int    `json:"-"` // of the HTTP answer
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error returns the code and the message.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }
