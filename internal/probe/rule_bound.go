package probe

import (
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/jws"
)

// bound compares what the two servers say of tokens that are bound to a key.
var bound = &Rule{
	Code: "GH-2155", Name: "bound-tokens", Title: "What is said of tokens bound to a key lets clients have some",
	Group: Issuer, Severity: Medium,
	Why:   "Clients bind their tokens to a key (DPoP) by what the metadata says, so that a token that is stolen is worth nothing. Where the server wants that and the authorization server does not say that it can, nobody signs in; a secret or no signature proves nothing.",
	Fix:   `List asymmetric algorithms, ES256 among them, in dpop_signing_alg_values_supported of both, and set dpop_bound_access_tokens_required only where the authorization server lists them too.`,
	Links: []Link{rfc("9449", "5.1"), rfc("9728", "2")},
	Check: func(r *run, t *tally) {
		i, ok := r.issued(t)
		if !ok {
			return
		}
		m := r.metadata()
		said := map[*Exchange][]string{m.used.x: m.Proofs, i.doc.x: i.meta.DPoPAlgorithms}
		if len(m.Proofs) == 0 && len(i.meta.DPoPAlgorithms) == 0 && !m.Bound {
			t.without("neither server speaks of tokens that are bound to a key")
			return
		}
		for x, algs := range said {
			for _, alg := range algs {
				if alg == "none" || strings.HasPrefix(alg, "HS") { // RFC 9449 §5.1
					t.fail(x, "dpop_signing_alg_values_supported has %q, which proves nothing", shown(alg))
				}
			}
		}
		common := slices.ContainsFunc(jws.ProofAlgorithms(), func(alg string) bool {
			return slices.Contains(i.meta.DPoPAlgorithms, alg) && (len(m.Proofs) == 0 || slices.Contains(m.Proofs, alg))
		})
		switch {
		case m.Bound && len(i.meta.DPoPAlgorithms) == 0:
			t.fail(i.doc.x, "the server takes bound tokens only, and %s does not say that it gives any", place(i.name))
		case m.Bound && !common:
			t.fail(m.used.x, "the server takes bound tokens only, and has no usual algorithm in common with %s", place(i.name))
		case len(m.Proofs) > 0 && len(i.meta.DPoPAlgorithms) > 0 && !common:
			t.warn(m.used.x, "both know bound tokens, and have no usual algorithm for them in common")
		}
		t.pass(m.used.x, "what the two say of bound tokens fits")
	},
}
