package config

import "slices"

var policySettings = slices.Concat([]setting{
	{key: "default", field: "Default", one: []string{Allow, Deny}, doc: "What happens to a call for which no rule speaks."},
	{key: "rules", field: "Rules", doc: "A call is denied if a `deny` rule matches, else allowed if an `allow` rule does. A list that is left out matches all.", within: slices.Concat([]setting{
		{key: "name", field: "Name", doc: "For logs and the audit trail."},
		{key: "servers", field: "Servers", check: checkServerName, doc: "Names of servers."},
		{key: "tools", field: "Tools", check: CheckPattern, need: true, doc: "Patterns of tools. `*` stands for any run of characters."},
		{key: "tenants", field: "Tenants", check: checkTenant, doc: "Names of tenants."},
		{key: "keys", field: "Keys", check: CheckPattern, doc: "Patterns of the names of keys."},
		{key: "effect", field: "Effect", one: []string{Allow, Deny}, other: []string{"ask"}, def: Allow, doc: "What the rule does."},
	}, later("require", "when"))},
}, later("files", "tool_pinning"))
