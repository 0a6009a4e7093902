package clients

import (
	"slices"

	"github.com/gatehouse-mcp/gatehouse/internal/clients/edit"
)

// http is an entry of a URL, as most agents have it.
var http = edit.Object{{Name: "type", Value: "http"}, {Name: "url", Value: "{url}"}}

// agents are programs of the command line.
var agents = []*Client{
	{
		ID: "claude-code", Name: "Claude Code", Also: []string{"claude"},
		User: everywhere("$CLAUDE_CONFIG_DIR/.claude.json", "~/.claude.json"), Project: everywhere(".mcp.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: http, OAuth: edit.Object{}, Key: bearer("${{var}}"), Bridge: program(),
		Unset:    "sends the reference as it is (GH-1003)",
		Register: []string{CIMD, DCR, Static}, Programs: []string{"claude"}, Found: []string{"~/.claude"},
		CLI: CLI{
			Remote: []string{"claude", "mcp", "add", "--transport", "http", "--scope", "user", "{name}", "{url}", "{options}"},
			Key:    []string{"--header", "Authorization: Bearer ${{var}}"},
			Bridge: []string{"claude", "mcp", "add", "--scope", "user", "{name}", "--", "{command}", "{args}"},
			Pass:   []string{"CLAUDE_CONFIG_DIR"},
		},
		After:  []string{"Start claude anew; /mcp shows {name}."},
		SignIn: "Run claude mcp login {name}, or choose {name} in /mcp, and Authenticate.",
		Names:  []string{"claude-code"},
		Sources: []Source{
			{"run", "Claude Code 2.1.197", "the file, the entry, the command, and that it gets in with a key, by signing in and through the bridge"},
			{"doc", "code.claude.com/docs/en/mcp", "${NAME} in url and headers, and .mcp.json"},
		},
	},
	{
		ID: "codex", Name: "Codex CLI",
		User: everywhere("$CODEX_HOME/config.toml", "~/.codex/config.toml"), Project: everywhere(".codex/config.toml"),
		Format: edit.TOML, Root: []string{"mcp_servers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}}, OAuth: edit.Object{}, Key: edit.Object{{Name: "bearer_token_env_var", Value: "{var}"}}, Bridge: program(),
		Register: []string{CIMD, DCR, Static}, Programs: []string{"codex"},
		CLI: CLI{
			Remote: []string{"codex", "mcp", "add", "{name}", "--url", "{url}", "{options}"},
			Key:    []string{"--bearer-token-env-var", "{var}"},
			Bridge: []string{"codex", "mcp", "add", "{name}", "--", "{command}", "{args}"},
			Pass:   []string{"CODEX_HOME"}, NoAuth: true,
		},
		After:  []string{"Start codex anew; /mcp shows {name}."},
		SignIn: "Run codex mcp login {name}.",
		Names:  []string{"codex"},
		Sources: []Source{
			{"run", "Codex CLI 0.171.0", "the file, the table, the command, and that it reads what we write"},
		},
	},
	{
		ID: "gemini", Name: "Gemini CLI", Also: []string{"gemini-cli"},
		User: everywhere("~/.gemini/settings.json"), Project: everywhere(".gemini/settings.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}, {Name: "type", Value: "http"}}, OAuth: edit.Object{}, Key: bearer("${var}"), Bridge: program(),
		Unset:    "sends an empty key (GH-1001)",
		Register: []string{DCR, Static}, Programs: []string{"gemini"},
		CLI: CLI{
			Remote: []string{"gemini", "mcp", "add", "--transport", "http", "--scope", "user", "{name}", "{url}", "{options}"},
			Key:    []string{"--header", "Authorization: Bearer ${var}"},
			Bridge: nil, // its parser takes flags of the program for its own
		},
		After:  []string{"Start gemini anew in a folder that it trusts; /mcp shows {name}."},
		SignIn: "Type /mcp auth {name}.",
		Names:  []string{"gemini-cli", "mcp-test-client"}, // the second is what gemini mcp list says
		Sources: []Source{
			{"run", "Gemini CLI 0.61.0", "the file, the entry with url and type, the command, and that it reads what we write"},
			{"doc", "github.com/google-gemini/gemini-cli docs/tools/mcp-server.md", "$NAME, and httpUrl, the older name of the URL"},
		},
	},
	{
		ID: "copilot-cli", Name: "GitHub Copilot CLI", Also: []string{"github-copilot-cli"},
		User: everywhere("$COPILOT_HOME/mcp-config.json", "~/.copilot/mcp-config.json"), Project: everywhere(".mcp.json", ".github/mcp.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: slices.Concat(edit.Object{{Name: "tools", Value: []string{"*"}}}, http), OAuth: edit.Object{}, Key: bearer("${{var}}"),
		Bridge:   append(edit.Object{{Name: "tools", Value: []string{"*"}}, {Name: "type", Value: "local"}}, program()...),
		Unset:    "sends the reference as it is (GH-1003)",
		Register: []string{CIMD, DCR}, Programs: []string{"copilot"},
		CLI: CLI{
			Remote: []string{"copilot", "mcp", "add", "--transport", "http", "{name}", "{url}", "{options}"},
			Key:    []string{"--header", "Authorization: Bearer ${{var}}"},
			Bridge: []string{"copilot", "mcp", "add", "{name}", "--", "{command}", "{args}"},
			Pass:   []string{"COPILOT_HOME"},
		},
		After: []string{"Start copilot anew; /mcp show {name} shows the server."},
		Names: []string{"github-copilot", "copilot"},
		Sources: []Source{
			{"run", "GitHub Copilot CLI 1.0.102", "the file, the entry, ${NAME} in headers, the command, its clientInfo.name, and that it calls a tool with a key and through the bridge"},
		},
	},
	{
		ID: "opencode", Name: "OpenCode",
		User: everywhere("$CONFIG/opencode/opencode.jsonc", "$CONFIG/opencode/opencode.json"), Project: everywhere("opencode.jsonc", "opencode.json", ".opencode/opencode.jsonc", ".opencode/opencode.json"),
		Format: edit.JSON, Root: []string{"mcp"}, RootToo: []string{"mcp", "servers"},
		Remote: edit.Object{{Name: "type", Value: "remote"}, {Name: "url", Value: "{url}"}, {Name: "enabled", Value: true}}, OAuth: edit.Object{}, Key: append(bearer("{env:{var}}"), edit.Member{Name: "oauth", Value: false}),
		Bridge:   edit.Object{{Name: "type", Value: "local"}, {Name: "command", Value: "{line}"}, {Name: "enabled", Value: true}},
		Unset:    "sends an empty key (GH-1001)",
		Register: []string{CIMD, DCR, Static}, Programs: []string{"opencode"},
		After:  []string{"Start opencode anew; opencode mcp list shows {name}."},
		SignIn: "Run opencode mcp auth {name}.",
		Names:  []string{"opencode"},
		Sources: []Source{
			{"run", "OpenCode 1.18.33", "the file, the entry, {env:NAME}, its clientInfo.name, and that it gets in with a key, by signing in and through the bridge"},
			{"doc", "opencode.ai/docs/mcp-servers", "oauth: false, and mcp.servers of version 2"},
		},
	},
	{
		ID: "goose", Name: "Goose", Desktop: true,
		User: Paths{
			Linux: []string{"$CONFIG/goose/config.yaml"}, Mac: []string{"~/.config/goose/config.yaml"}, Windows: []string{"$APPDATA/Block/goose/config/config.yaml"},
		},
		Format: edit.YAML, Root: []string{"extensions"},
		Remote: edit.Object{
			{Name: "name", Value: "{name}"}, {Name: "description", Value: "through Gatehouse"}, {Name: "type", Value: "streamable_http"},
			{Name: "uri", Value: "{url}"}, {Name: "enabled", Value: true}, {Name: "timeout", Value: 300},
		},
		OAuth: edit.Object{}, Key: append(edit.Object{{Name: "env_keys", Value: []string{"{var}"}}}, bearer("${{var}}")...),
		Bridge: edit.Object{
			{Name: "name", Value: "{name}"}, {Name: "description", Value: "through Gatehouse"}, {Name: "type", Value: "stdio"},
			{Name: "cmd", Value: "{command}"}, {Name: "args", Value: "{args}"}, {Name: "enabled", Value: true}, {Name: "timeout", Value: 300},
		},
		Register: []string{CIMD, DCR}, Programs: []string{"goose"},
		After: []string{"Start a new session; Extensions shows {name}. With a key, goose configure keeps {var} in its secret store."},
		Names: []string{"goose"},
		Sources: []Source{
			{"doc", "block.github.io/goose/docs/guides/config-files", "the file"},
			{"issue", "aaif-goose/goose#5439", "env_keys and ${NAME} in headers"},
			{"source", "add-mcp 2.4.0", "the members of an extension"},
		},
	},
	{
		ID: "antigravity", Name: "Antigravity",
		User:   everywhere("~/.gemini/config/mcp_config.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "serverUrl", Value: "{url}"}}, OAuth: edit.Object{}, Bridge: program(),
		Register: []string{DCR, Static},
		After:    []string{"Reload the MCP servers in its settings."},
		Names:    []string{"antigravity"},
		Sources: []Source{
			{"source", "add-mcp 2.4.0", "the file, and serverUrl"},
			{"memory", "", "its clientInfo.name, and that it expands no variables: so keys go through the bridge"},
		},
	},
	{
		ID: "inspector", Name: "MCP Inspector", Also: []string{"mcp-inspector"},
		User:   everywhere("~/.mcp-inspector/mcp.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: http, OAuth: edit.Object{}, Bridge: program(),
		Register: []string{CIMD, DCR, Static}, Programs: []string{"mcp-inspector"},
		After: []string{
			"npx @modelcontextprotocol/inspector --cli --server {name} --method tools/list",
			"Once, with a key and without the bridge: --header \"Authorization: Bearer ${var}\" with --server-url {url} --transport http.",
		},
		Names: []string{"inspector", "mcp-inspector"},
		Sources: []Source{
			{"run", "MCP Inspector 2.12.0", "the file and the entry; it lists tools with what we write"},
		},
	},
	{
		ID: "qwen", Name: "Qwen Code", Also: []string{"qwen-code"},
		User: everywhere("~/.qwen/settings.json"), Project: everywhere(".qwen/settings.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "httpUrl", Value: "{url}"}}, OAuth: edit.Object{}, Key: bearer("${{var}}"), Bridge: program(),
		Unset:    "sends the reference as it is (GH-1003)",
		Register: []string{DCR, Static}, Programs: []string{"qwen"},
		CLI: CLI{
			Remote: []string{"qwen", "mcp", "add", "--transport", "http", "--scope", "user", "{name}", "{url}", "{options}"},
			Key:    []string{"--header", "Authorization: Bearer ${{var}}"},
			Bridge: nil, // its parser takes flags of the program for its own
		},
		After:  []string{"Start qwen anew; /mcp shows {name}."},
		SignIn: "Choose {name} in /mcp, and authenticate.",
		Names:  []string{"qwen", "mcp-test-client"}, // the second is what qwen mcp list says
		Sources: []Source{
			{"run", "Qwen Code 0.24.4", "the file, the entry, ${NAME}, the command, and that it connects with a key in what we write"},
			{"source", "Qwen Code 0.24.4", "its clientInfo.name, and how one signs in"},
		},
	},
	{
		ID: "cline-cli", Name: "Cline CLI",
		User:   everywhere("$CLINE_MCP_SETTINGS_PATH", "$CLINE_DIR/data/settings/cline_mcp_settings.json", "~/.cline/data/settings/cline_mcp_settings.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote: edit.Object{{Name: "type", Value: "streamableHttp"}, {Name: "url", Value: "{url}"}, {Name: "disabled", Value: false}}, OAuth: edit.Object{}, Bridge: program(),
		Register: []string{DCR}, Programs: []string{"cline"},
		After:  []string{"Start cline anew."},
		SignIn: "Start cline, and authorize {name} in its MCP settings.",
		Names:  []string{"@cline/", "cline"},
		Sources: []Source{
			{"run", "Cline CLI 3.0.65", "the file, the entry, that it sends a variable in a header as it is, its clientInfo.name, and that it calls a tool through the bridge, with a key and signed in"},
			{"source", "Cline CLI 3.0.65", "the variables, and that it signs in by OAuth"},
		},
	},
	{
		ID: "kilo", Name: "Kilo Code", Also: []string{"kilo-code"},
		User: everywhere("$CONFIG/kilo/kilo.json", "$CONFIG/kilo/kilo.jsonc"), Project: everywhere("kilo.json", "kilo.jsonc", ".kilo/kilo.jsonc", ".kilo/kilo.json"),
		Format: edit.JSON, Root: []string{"mcp"},
		Remote: edit.Object{{Name: "type", Value: "remote"}, {Name: "url", Value: "{url}"}, {Name: "enabled", Value: true}}, OAuth: edit.Object{},
		Bridge:   edit.Object{{Name: "type", Value: "local"}, {Name: "command", Value: "{line}"}, {Name: "enabled", Value: true}},
		Register: []string{DCR}, Programs: []string{"kilo", "kilocode"},
		After: []string{"Start kilo anew; kilo mcp list shows {name}."},
		Names: []string{"kilo"},
		Sources: []Source{
			{"source", "add-mcp 2.4.0", "the files and the entry"},
			{"memory", "", "OAuth, which OpenCode has that it is made of, and its clientInfo.name; that it expands variables was not seen, so keys go through the bridge"},
		},
	},
	{
		ID: "kimi", Name: "Kimi Code", Also: []string{"kimi-code"},
		User: everywhere("$KIMI_CODE_HOME/mcp.json", "~/.kimi-code/mcp.json"), Project: everywhere(".kimi-code/mcp.json"),
		Format: edit.JSON, Root: []string{"mcpServers"},
		Remote:   edit.Object{{Name: "transport", Value: "http"}, {Name: "url", Value: "{url}"}},
		Bridge:   append(edit.Object{{Name: "transport", Value: "stdio"}}, program()...),
		Programs: []string{"kimi"},
		After:    []string{"Start kimi anew."},
		Names:    []string{"kimi"},
		Sources: []Source{
			{"source", "add-mcp 2.4.0", "the files and the entry"},
			{"memory", "", "its clientInfo.name; that it signs in or expands variables was not seen, so the bridge does both"},
		},
	},
	{
		ID: "grok", Name: "Grok Build", Also: []string{"grok-build"},
		User: everywhere("$GROK_HOME/config.toml", "~/.grok/config.toml"), Project: everywhere(".grok/config.toml"),
		Format: edit.TOML, Root: []string{"mcp_servers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}}, Bridge: program(),
		Programs: []string{"grok"},
		After:    []string{"Start grok anew."},
		Names:    []string{"grok"},
		Sources: []Source{
			{"source", "add-mcp 2.4.0", "the files and the table"},
			{"memory", "", "its clientInfo.name; that it signs in or expands variables was not seen, so the bridge does both"},
		},
	},
	{
		ID: "amp", Name: "Amp",
		User: everywhere("$CONFIG/amp/settings.json"), Project: everywhere(".amp/settings.json"),
		Format: edit.JSON, Root: []string{"amp.mcpServers"},
		Remote: edit.Object{{Name: "url", Value: "{url}"}}, OAuth: edit.Object{}, Bridge: program(),
		Register: []string{DCR, Static}, Programs: []string{"amp"},
		After:  []string{"Start amp anew; amp mcp doctor shows {name}. What is of a project has to be allowed: amp mcp approve {name}."},
		SignIn: "It opens the browser when the server is started.",
		Names:  []string{"amp"},
		Sources: []Source{
			{"run", "Amp 0.0.1790142911", "the files and the entries; amp mcp list shows what we write. It connects for people with an account there only"},
			{"memory", "", "how it signs in and its clientInfo.name; that it expands variables was not seen, so keys go through the bridge"},
		},
	},
}
