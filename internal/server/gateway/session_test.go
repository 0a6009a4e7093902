package gateway

import (
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse"
	"github.com/gatehouse-mcp/gatehouse/internal/access"
)

func caller(tenant, subject string) *access.Caller {
	return &access.Caller{Identity: &gatehouse.Identity{Tenant: tenant, Subject: subject}, ID: subject}
}

func TestSealedSessionOpensForItsOwnerOnly(t *testing.T) {
	s := sealer{key: []byte(strings.Repeat("k", 32)), server: "files", kind: "session", limit: maxSession}
	ada := caller("t1", "key:a")
	id := s.seal(ada, "upstream-session")
	tests := []struct {
		name   string
		sealer sealer
		caller *access.Caller
		id     string
		want   bool
	}{
		{"its owner", s, ada, id, true},
		{"the owner at another replica with the same key", sealer{key: s.key, server: "files", kind: "session", limit: maxSession}, ada, id, true},
		{"another kind of handle", sealer{key: s.key, server: "files", kind: "task", limit: maxSession}, ada, id, false},
		{"the same subject of another issuer", s, &access.Caller{Identity: &gatehouse.Identity{Issuer: "https://idp.example", Tenant: "t1", Subject: "key:a"}, ID: "https://idp.example key:a"}, id, false},
		{"another subject of the tenant", s, caller("t1", "key:b"), id, false},
		{"the same subject of another tenant", s, caller("t2", "key:a"), id, false},
		{"parts shifted between tenant and subject", s, caller("t1key:", "a"), id, false},
		{"another server", sealer{key: s.key, server: "crm", kind: "session", limit: maxSession}, ada, id, false},
		{"another key", sealer{key: []byte(strings.Repeat("x", 32)), server: "files", kind: "session", limit: maxSession}, ada, id, false},
		{"a cut MAC", s, ada, id[:len(id)-1], false},
		{"no MAC", s, ada, strings.Split(id, ".")[0], false},
		{"an empty MAC", s, ada, strings.Split(id, ".")[0] + ".", false},
		{"the upstream's bare id", s, ada, "upstream-session", false},
		{"a line break inside", s, ada, id[:4] + "\n" + id[4:], false},
		{"nothing", s, ada, "", false},
		{"an endless id", s, ada, strings.Repeat("A", 1<<20) + ".AAAA", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.sealer.open(tt.caller, tt.id)
			if ok != tt.want || ok && got != "upstream-session" {
				t.Errorf("got %q, %v, want %v", got, ok, tt.want)
			}
		})
	}
}

func FuzzOpenSession(f *testing.F) {
	s := sealer{key: []byte(strings.Repeat("k", 32)), server: "files", kind: "session", limit: maxSession}
	ada := caller("t1", "key:a")
	f.Add(s.seal(ada, "x"))
	f.Add(".")
	f.Fuzz(func(t *testing.T, id string) {
		if session, ok := s.open(ada, id); ok && s.seal(ada, session) != id {
			t.Errorf("%q opened as %q, which seals differently", id, session)
		}
	})
}
