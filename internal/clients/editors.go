package clients

import "github.com/gatehouse-mcp/gatehouse/internal/clients/edit"

// program is an entry of a program, as most clients have it.
func program() edit.Object {
	return edit.Object{{Name: "command", Value: "{command}"}, {Name: "args", Value: "{args}"}}
}

// bearer is a header with the key.
func bearer(reference string) edit.Object {
	return edit.Object{{Name: "headers", Value: edit.Object{{Name: "Authorization", Value: "Bearer " + reference}}}}
}

// editors are programs with windows.
var editors = []*Client{
	{
		ID: "claude-desktop", Name: "Claude Desktop", Desktop: true,
		User: Paths{
			Linux:   []string{"$CONFIG/Claude/claude_desktop_config.json"},
			Mac:     []string{"$SUPPORT/Claude/claude_desktop_config.json"},
			Windows: []string{"$APPDATA/Claude/claude_desktop_config.json"},
		},
		Format: edit.JSON, Root: []string{"mcpServers"}, Bridge: program(),
		After: []string{"Quit Claude Desktop and start it again; Settings → Developer shows the server."},
		Names: []string{"claude-ai"},
		Sources: []Source{
			{"source", "add-mcp 2.4.0", "the file on macOS and Windows, and that it starts programs only"},
			{"memory", "", "the file on Linux, where there is no official build; its clientInfo.name"},
		},
	},
	{
		ID: "cursor", Name: "Cursor", Desktop: true,
		User: everywhere("~/.cursor/mcp.json"), Project: everywhere(".cursor/mcp.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}}, OAuth: edit.Object{}, Key: bearer("${env:{var}}"), Bridge: program(),
		Register: []string{DCR, Static}, Link: "cursor",
		After:  []string{"Restart Cursor; Settings → Tools & MCP → {name} should turn green."},
		SignIn: "Click Needs login there.",
		Names:  []string{"cursor"},
		Sources: []Source{
			{"doc", "cursor.com/docs/mcp", "the files, url, headers and ${env:NAME}"},
			{"doc", "cursor.com/docs/mcp/install-links", "the link"},
			{"issue", "makeplane/plane-mcp-server#159", "it registers with three redirect URIs at once"},
		},
	},
	{
		ID: "vscode", Name: "VS Code", Also: []string{"code", "vs-code", "copilot"}, Desktop: true,
		User: Paths{
			Linux: []string{"$CONFIG/Code/User/mcp.json"}, Mac: []string{"$SUPPORT/Code/User/mcp.json"}, Windows: []string{"$APPDATA/Code/User/mcp.json"},
		},
		Project: everywhere(".vscode/mcp.json"),
		Format:  edit.JSON, Root: []string{"servers"},
		Remote: edit.Object{{Name: "type", Value: "http"}, {Name: "url", Value: "{url}"}}, OAuth: edit.Object{}, Key: bearer("${input:{name}-key}"), Prompt: true, Bridge: program(),
		Register: []string{CIMD, DCR, Static}, Programs: []string{"code"}, Link: "vscode",
		After: []string{
			"Run MCP: List Servers from the Command Palette, and start {name}.",
			"Sessions of the Copilot agent are not handed servers that ask for a key: for those, gatehouse connect copilot-cli.",
		},
		SignIn: "It opens the browser when the server is started.",
		Names:  []string{"visual studio code"},
		Sources: []Source{
			{"doc", "code.visualstudio.com/docs/agents/reference/mcp-configuration", "the files, servers, inputs, and what the Copilot agent is handed"},
			{"doc", "code.visualstudio.com/api/extension-guides/ai/mcp", "the link"},
			{"run", "VS Code 1.139.1 as code-server", "the user's file and the entry: it lists the server, asks for the key, starts it, and writes the key into no file"},
			{"source", "add-mcp 2.4.0", "the place of the user's file"},
		},
	},
	{
		ID: "windsurf", Name: "Windsurf", Desktop: true,
		User:   everywhere("~/.codeium/windsurf/mcp_config.json", "~/.codeium/mcp_config.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "serverUrl", Value: "{url}"}}, OAuth: edit.Object{}, Key: bearer("${env:{var}}"), Bridge: program(),
		Register: []string{DCR},
		After:    []string{"Press Refresh in the MCP panel of Cascade."},
		Names:    []string{"windsurf", "codeium"},
		Sources: []Source{
			{"doc", "docs.windsurf.com/windsurf/cascade/mcp", "serverUrl, headers and ${env:NAME}"},
			{"source", "add-mcp 2.4.0", "the file"},
			{"memory", "", "its clientInfo.name and how it registers: it is closed"},
		},
	},
	{
		ID: "zed", Name: "Zed", Desktop: true,
		User: Paths{
			Linux:   []string{"$CONFIG/zed/settings.json"},
			Mac:     []string{"~/.config/zed/settings.json", "$SUPPORT/Zed/settings.json"},
			Windows: []string{"$APPDATA/Zed/settings.json"},
		},
		Project: everywhere(".zed/settings.json"),
		Format:  edit.JSON, Root: []string{"context_servers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}}, OAuth: edit.Object{}, Bridge: program(),
		Register: []string{CIMD, DCR}, Programs: []string{"zed", "zeditor"},
		After: []string{"Settings → AI → MCP Servers shows {name} with a green dot."},
		Names: []string{"zed"},
		Sources: []Source{
			{"doc", "zed.dev/docs/ai/mcp", "context_servers, url, headers, and OAuth when there is no Authorization header"},
			{"source", "add-mcp 2.4.0", "the second place on macOS, and that on Windows"},
			{"memory", "", "that it expands no variables"},
		},
	},
	{
		ID: "cline", Name: "Cline (VS Code)", Desktop: true,
		User: Paths{
			Linux:   []string{"$CONFIG/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"},
			Mac:     []string{"$SUPPORT/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"},
			Windows: []string{"$APPDATA/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"},
		},
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "type", Value: "streamableHttp"}, {Name: "url", Value: "{url}"}, {Name: "disabled", Value: false}}, OAuth: edit.Object{}, Bridge: program(),
		Register: []string{DCR},
		After:    []string{"MCP Servers → Configure shows {name}; switch it on."},
		Names:    []string{"cline", "@cline/"},
		Sources: []Source{
			{"source", "add-mcp 2.4.0", "the file, and streamableHttp"},
			{"doc", "docs.cline.bot/mcp/configuring-mcp-servers", "mcpServers"},
			{"run", "Cline CLI 3.0.65", "that what it has in common with this expands no variables in headers: so keys go through the bridge"},
		},
	},
	{
		ID: "kiro", Name: "Kiro", Also: []string{"kiro-cli"}, Desktop: true,
		User: everywhere("~/.kiro/settings/mcp.json"), Project: everywhere(".kiro/settings/mcp.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}}, OAuth: edit.Object{}, Key: bearer("${{var}}"), Bridge: program(),
		Register: []string{DCR}, Programs: []string{"kiro-cli", "kiro"},
		After: []string{"Kiro reads the file when it is saved; its MCP panel shows {name}."},
		Names: []string{"kiro"},
		Sources: []Source{
			{"doc", "kiro.dev/docs/mcp/configuration", "the files, url, headers, ${NAME} and that it signs in"},
			{"memory", "", "how it registers, and its clientInfo.name"},
		},
	},
	{
		ID: "lm-studio", Name: "LM Studio", Also: []string{"lmstudio"}, Desktop: true,
		User:   everywhere("~/.lmstudio/mcp.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}}, Bridge: program(),
		Link:  "lm-studio",
		After: []string{"Program → Install shows {name}; switch it on."},
		Names: []string{"lm-studio", "lmstudio"},
		Sources: []Source{
			{"doc", "lmstudio.ai/docs/app/mcp", "the entry; it speaks neither of OAuth nor of variables, so the bridge does both"},
			{"doc", "lmstudio.ai/docs/app/mcp/deeplink", "the link"},
			{"memory", "", "the place of the file, and its clientInfo.name"},
		},
	},
	{
		ID: "roo", Name: "Roo Code (VS Code)", Also: []string{"roo-code"}, Desktop: true,
		User: Paths{
			Linux:   []string{"$CONFIG/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json"},
			Mac:     []string{"$SUPPORT/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json"},
			Windows: []string{"$APPDATA/Code/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json"},
		},
		Project: everywhere(".roo/mcp.json"),
		Format:  edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "type", Value: "streamable-http"}, {Name: "url", Value: "{url}"}}, Bridge: program(),
		After: []string{"Its MCP settings show {name}."},
		Names: []string{"roo"},
		Sources: []Source{
			{"doc", "docs.roocode.com/features/mcp/using-mcp-in-roo", "mcp_settings.json, .roo/mcp.json and streamable-http"},
			{"memory", "", "where the first of them is, and its clientInfo.name; that it signs in or expands variables was not seen, so the bridge does both"},
		},
	},
}
