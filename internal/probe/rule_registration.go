package probe

import (
	"slices"
	"strings"
)

// registration asks how a client that nobody knows gets an id.
var registration = &Rule{
	Code: "GH-2126", Name: "registration", Title: "Clients that nobody registered can get an id",
	Group: Issuer, Severity: Medium, Spec: true,
	Why:   "Newer clients bring an id of their own, a URL (CIMD); Cursor, Gemini CLI and many others can only register themselves (DCR). With neither, somebody registers each client by hand.",
	Fix:   "Advertise client_id_metadata_document_supported, with none in token_endpoint_auth_methods_supported, and a registration_endpoint with a limit on it.",
	Links: []Link{rfc("7591", "3"), {"Client ID Metadata Document", "https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/"}, mcpAuthorization},
	Mend:  mendRegistration,
	Check: func(r *run, t *tally) {
		i, ok := r.issued(t)
		if !ok {
			return
		}
		var ways []string
		m := i.meta
		if m.ClientIDMetadataDocuments {
			ways = append(ways, "CIMD")
			if !slices.Contains(m.TokenEndpointAuthMethods, "none") {
				t.warn(i.doc.x, "CIMD without none in token_endpoint_auth_methods_supported: Claude then registers itself instead")
			}
		}
		if m.RegistrationEndpoint != "" {
			ways = append(ways, "DCR")
		}
		switch {
		case len(ways) == 0:
			t.warn(i.doc.x, "neither CIMD nor DCR: each client has to be registered by hand")
		case m.RegistrationEndpoint == "":
			t.warn(i.doc.x, "CIMD only: Cursor, Gemini CLI and others that register themselves need a client id by hand")
		case !m.ClientIDMetadataDocuments:
			t.warn(i.doc.x, "DCR only, which MCP 2026-07-28 has deprecated: clients prefer CIMD")
		}
		t.pass(i.doc.x, "%s", strings.Join(ways, ", "))
	},
}
