package probe

// What rules refer to.
const (
	mcpSpec = "https://modelcontextprotocol.io/specification/2026-07-28/basic/"
	rfcs    = "https://www.rfc-editor.org/rfc/"
)

var (
	mcpAuthorization = Link{"MCP 2026-07-28, authorization", mcpSpec + "authorization"}
	mcpTransports    = Link{"MCP 2026-07-28, transports", mcpSpec + "transports"}
	mcpSecurity      = Link{"MCP, security best practices", "https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices"}
)

func rfc(number, section string) Link {
	l := Link{"RFC " + number, rfcs + "rfc" + number}
	if section != "" {
		l.Title += " §" + section
		l.URL += "#section-" + section
	}
	return l
}
