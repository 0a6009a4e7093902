package probe

// model is what a real client needs of a server, as of November 2026.
type model struct {
	name      string
	cloud     bool   // it connects from its vendor's machines, not from the user's
	keys      keyWay // how it can send a key
	cimd      string // its client id, where that is a URL; empty: it has none
	none      bool   // it takes CIMD only if none is in token_endpoint_auth_methods_supported
	dcr       bool   // it can register itself
	byHand    bool   // a person can enter a client id
	strict    bool   // it refuses metadata of another resource
	iss       bool   // its lasting redirect URI needs iss
	legacy    bool   // it only speaks revisions with initialize
	steps     bool   // it asks for more scopes when a tool needs them
	loopback  bool   // it listens on a free port of the user's machine
	redirects []string
}

// keyWay is how a client can send a key.
type keyWay int

const (
	keyNever keyWay = iota
	keyBeta         // a limited beta, with a list of header names
	keyHeader
)

// models are the clients that people have. What is unknown of one is not in its row.
var models = []model{
	{
		name: "Claude (web, Desktop, mobile)", cloud: true, keys: keyBeta, cimd: "https://claude.ai/oauth/mcp-oauth-client-metadata", none: true, dcr: true, byHand: true,
		strict: true, legacy: true, steps: true, redirects: []string{"https://claude.ai/api/mcp/auth_callback"},
	},
	{
		name: "Claude Code", keys: keyHeader, cimd: "https://claude.ai/oauth/claude-code-client-metadata", dcr: true, byHand: true, strict: true, legacy: true, steps: true,
		loopback: true, redirects: []string{"http://localhost:53123/callback"},
	},
	{
		name: "ChatGPT", cloud: true, keys: keyNever, cimd: "https://chatgpt.com/oauth/client.json", dcr: true, byHand: true, strict: true, iss: true,
		redirects: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
	},
	{
		name: "Codex CLI", keys: keyHeader, cimd: "https://chatgpt.com/oauth/codex/client.json", dcr: true, byHand: true,
		loopback: true, redirects: []string{"http://127.0.0.1:53124/callback"},
	},
	{
		name: "Cursor", keys: keyHeader, dcr: true, byHand: true,
		redirects: []string{"cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"},
	},
	{
		name: "VS Code (Copilot)", keys: keyHeader, cimd: "https://vscode.dev/oauth/client-metadata.json", dcr: true, byHand: true, strict: true, steps: true,
		loopback: true, redirects: []string{"http://127.0.0.1:33418/", "https://vscode.dev/redirect", "http://127.0.0.1/", "https://insiders.vscode.dev/redirect"},
	},
	{
		name: "GitHub Copilot CLI", keys: keyHeader, cimd: "https://github.com/copilot/cli/client-metadata.json", dcr: true, loopback: true,
		redirects: []string{"http://127.0.0.1:53125/"},
	},
	{name: "Gemini CLI", keys: keyHeader, dcr: true, byHand: true, loopback: true, redirects: []string{"http://localhost:7777/oauth/callback"}},
	{
		name: "Zed", keys: keyHeader, cimd: "https://zed.dev/oauth/client-metadata.json", loopback: true,
		redirects: []string{"http://127.0.0.1:53126/callback"},
	},
	{
		name: "OpenCode", keys: keyHeader, cimd: "https://opencode.ai/oauth/opencode/client.json", loopback: true,
		redirects: []string{"http://127.0.0.1:19876/mcp/oauth/callback"},
	},
	{name: "Goose", keys: keyHeader, dcr: true, loopback: true},
	{name: "Windsurf", keys: keyHeader, dcr: true, byHand: true},
	{
		name: "MCP Inspector", keys: keyHeader, dcr: true, byHand: true, strict: true, steps: true,
		redirects: []string{"http://127.0.0.1:6276/oauth/callback"},
	},
	{name: "mcp-remote", keys: keyHeader, dcr: true, byHand: true, strict: true, loopback: true, redirects: []string{"http://localhost:3335/oauth/callback"}},
}
