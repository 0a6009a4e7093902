package access

import (
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

// Shows says whether a caller is shown something that the server offers: some
// call of it may be allowed, whatever its arguments.
//
// Of a template nobody can list what it stands for. It is shown if a resource may
// be that begins as the template does: "file:///pub/{name}" and "file:///{dir}/{name}"
// to those who may read "file:///pub/*", "file:///etc/{name}" not.
func (g *Guard) Shows(c *Caller, kind mcp.Primitive, name string) bool {
	if kind == mcp.Tool && !c.Tools.Allows(name) {
		return false
	}
	if g.Rules == nil {
		return true
	}
	of, ok := policyKind(kind)
	who := g.asker(c)
	if kind == mcp.Template {
		prefix, _, _ := strings.Cut(name, "{")
		return g.Rules.ListsUnder(&who, of, prefix)
	}
	return ok && g.Rules.Lists(&who, of, name)
}

// Remains says whether a call that was let through would be now. Its arguments
// are not known any more: a rule that asks for them denies it.
func (g *Guard) Remains(c *Caller, method string, about mcp.Subject) bool {
	who := g.asker(c)
	return g.decide(c, &who, &mcp.Message{Method: method}, about).Allowed
}

// SameRules says whether two guards decide alike about tools, prompts and resources.
func (g *Guard) SameRules(o *Guard) bool { return g == o || g.Rules.Same(o.Rules) }

// policyKind returns what rules call a kind.
func policyKind(kind mcp.Primitive) (policy.Kind, bool) {
	switch kind {
	case mcp.Tool:
		return policy.Tool, true
	case mcp.Prompt:
		return policy.Prompt, true
	case mcp.Resource, mcp.Template:
		return policy.Resource, true
	}
	return 0, false
}
