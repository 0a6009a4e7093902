package clients

import "github.com/gatehouse-mcp/gatehouse/internal/clients/edit"

// others are connected in a page of theirs, on a server, or by hand.
var others = []*Client{
	{
		ID: "claude-ai", Name: "Claude (web, Desktop and mobile connectors)", Also: []string{"claude.ai", "claude-web", "cowork"}, Cloud: true,
		OAuth: edit.Object{}, Register: []string{CIMD, DCR, Static},
		Steps: []string{
			"Settings → Connectors → Add custom connector.",
			"Name {name}, URL {url}. Leave the client id empty.",
			"Connect, and sign in.",
		},
		Names: []string{"claude-ai", "anthropic"},
		Sources: []Source{
			{"doc", "claude.com/docs/connectors/building/authentication", "OAuth from Anthropic's cloud, redirect URIs, CIMD only when it is offered with auth method none"},
			{"issue", "anthropics/claude-ai-mcp#685", "headers of one's own are a beta with a list of names"},
		},
	},
	{
		ID: "chatgpt", Name: "ChatGPT", Cloud: true,
		OAuth: edit.Object{}, Register: []string{CIMD, DCR, Static},
		Steps: []string{
			"Settings → Apps & Connectors → Advanced settings: switch developer mode on.",
			"Create: name {name}, MCP server URL {url}, authentication OAuth.",
			"Connect, and sign in.",
		},
		Names: []string{"chatgpt", "openai-mcp"},
		Sources: []Source{
			{"doc", "developers.openai.com/plugins/build/auth", "OAuth or nothing, no headers of one's own"},
		},
	},
	{
		ID: "librechat", Name: "LibreChat",
		Project: everywhere("librechat.yaml"), Format: edit.YAML, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "type", Value: "streamable-http"}, {Name: "url", Value: "{url}"}}, OAuth: edit.Object{},
		Key: append(append(edit.Object{{Name: "requiresOAuth", Value: false}}, bearer("{{{var}}}")...), edit.Member{Name: "customUserVars", Value: edit.Object{
			{Name: "{var}", Value: edit.Object{{Name: "title", Value: "Key for {name}"}, {Name: "description", Value: "An API key of the server {name}"}, {Name: "sensitive", Value: true}}},
		}}),
		Bridge: program(), Prompt: true, Register: []string{DCR, Static},
		After: []string{"Run this in the directory of librechat.yaml, and restart LibreChat. Each person gives a key of their own in the MCP settings."},
		Names: []string{"@librechat", "librechat"},
		Sources: []Source{
			{"run", "librechat-data-provider 0.8.524", "its schema takes what we write"},
			{"doc", "librechat.ai/docs/configuration/librechat_yaml/object_structure/mcp_servers", "the file, headers, customUserVars and requiresOAuth"},
		},
	},
	{
		ID: "n8n", Name: "n8n",
		OAuth: edit.Object{}, Key: edit.Object{}, Register: []string{DCR, Static},
		Steps: []string{
			"Add an MCP Client Tool node: Endpoint {url}, Server Transport HTTP Streamable.",
			"Authentication: MCP OAuth2; or Bearer Auth with a credential that holds the key.",
		},
		Names: []string{"n8n", "@n8n"},
		Sources: []Source{
			{"source", "n8n-io/n8n, MCP Client Tool node", "the endpoint and the kinds of credentials"},
			{"memory", "", "its redirect URI"},
		},
	},
	{
		ID: "continue", Name: "Continue",
		Key: edit.Object{},
		Steps: []string{
			"Add to the list mcpServers of ~/.continue/config.yaml:",
			"  - name: {name}",
			"    type: streamable-http",
			"    url: {url}",
			"    requestOptions: {headers: {Authorization: \"Bearer ${{ secrets.{var} }}\"}}",
			"Put {var} into ~/.continue/.env, or start cn with it.",
		},
		Names: []string{"continue"},
		Sources: []Source{
			{"run", "Continue CLI 1.5.47", "the entry, both places of the key, that it calls a tool with it, its clientInfo.name, and that it does not sign in"},
			{"doc", "docs.continue.dev/customize/deep-dives/mcp", "the file, and streamable-http"},
			{"issue", "continuedev/continue#9475", "that headers were ignored outside of requestOptions"},
		},
	},
	{
		ID: "mcp-remote", Name: "mcp-remote (a bridge)",
		OAuth: edit.Object{}, Key: edit.Object{}, Register: []string{DCR, Static, CIMD},
		Steps: []string{
			"In a client that starts programs: command npx, args",
			"  [\"-y\", \"mcp-remote\", \"{url}\"]",
			"With a key add \"--header\", \"Authorization:${AUTH_HEADER}\" (no blank behind the colon), and set",
			"  AUTH_HEADER=\"Bearer <key>\" in the client's env. It keeps tokens unsealed in ~/.mcp-auth; gatehouse bridge does not.",
		},
		Names: []string{"mcp-remote"},
		Sources: []Source{
			{"source", "punkpeye/mcp-remote 0.15.1", "its arguments"},
		},
	},
}
