package config

import "fmt"

var policySettings = []setting{
	{key: "default", field: "Default", one: []string{Allow, Deny}, doc: "What happens to a call for which no rule speaks: of a tool, a prompt or a resource."},
	{key: "rules", field: "Rules", doc: "A call is denied if a `deny` rule matches, else allowed if an `allow` rule does. A list that is left out matches all. See [policy](policy.md).", within: ruleSettings},
	{key: "files", field: "Files", form: formPath, single: true, doc: "Patterns of files with further `rules`, such as `policy.d/*.yaml`. Files called `…_test.yaml` are not read: they are for `gatehouse policy test`."},
	{key: "claims", field: "Claims", keys: []func(string) error{checkClaimName}, one: claimTypes, doc: "The claims that conditions may ask for, and their types. Left out: any claim, and its type is seen when it is there."},
	{key: "tool_pinning", field: "Pinning", doc: "What happens when a tool is not what it was when it was approved.", within: []setting{
		{key: "on_change", field: "OnChange", one: []string{PinBlock, PinWarn, PinOff}, def: PinOff, doc: "`block`: it cannot be called until somebody approves it. `warn`: it is said in the log and in the audit trail. See [tools](tools.md)."},
		{key: "on_new", field: "OnNew", one: []string{PinApprove, PinHold}, def: PinApprove, doc: "`approve`: a tool that was never seen before is approved as it is. `hold`: it waits for `gatehouse tool approve`, where `on_change` is `block`."},
	}},
}

var ruleSettings = []setting{
	{key: "name", field: "Name", doc: "For logs, reasons and the audit trail. Two rules about one server that have the same are warned of."},
	{key: "servers", field: "Servers", check: checkServerName, doc: "Names of servers."},
	{key: "tools", field: "Tools", check: CheckPattern, doc: "Patterns of tools. `*` stands for any run of characters. A rule has one of `tools`, `prompts` and `resources` at least."},
	{key: "prompts", field: "Prompts", check: CheckPattern, doc: "Patterns of prompts."},
	{key: "resources", field: "Resources", check: CheckPattern, doc: "Patterns of URIs of resources, such as `file:///pub/*`."},
	{key: "tenants", field: "Tenants", check: checkTenant, doc: "Names of tenants."},
	{key: "keys", field: "Keys", check: CheckPattern, doc: "Patterns of the names of keys. Such a rule is not for callers with tokens."},
	{key: "clients", field: "Clients", check: CheckPattern, doc: "Patterns of OAuth clients. Such a rule is not for callers with keys."},
	{key: "issuers", field: "Issuers", doc: "Names of issuers. Such a rule is not for callers with keys."},
	{key: "require", field: "Require", doc: "What the caller needs: all of it. For rules that allow.", within: []setting{
		{key: "scopes", field: "Scopes", check: checkScope, doc: "Scopes of the token, or scopes that include them. Whoever lacks one is told which to ask for."},
		{key: "permissions", field: "Permissions", check: checkRight, doc: "Permissions in the token."},
		{key: "roles", field: "Roles", check: checkRight, doc: "Roles in the token."},
		{key: "groups", field: "Groups", check: checkRight, doc: "Groups in the token."},
		{key: "max_auth_age", field: "MaxAuthAge", least: "1s", doc: "How long ago the caller may have signed in. Whoever did earlier, or nobody knows when, is told to sign in again."},
	}},
	{key: "when", field: "When", form: formText, doc: "A condition in CEL, such as `args.amount < 100`. If it cannot be told, the rule denies, or does not allow."},
	{key: "effect", field: "Effect", one: []string{Allow, Deny}, other: []string{"ask"}, def: Allow, doc: "What the rule does."},
}

// fileSettings are those of a file of rules.
var fileSettings = []setting{
	{key: "version", doc: "The version of the format.", one: []string{"1"}},
	{key: "rules", field: "Rules", need: true, doc: "Rules, as under `policy.rules`.", within: ruleSettings},
}

// claimTypes are the types that a claim can be declared with; package policy
// has the same.
var claimTypes = []string{"string", "int", "double", "bool", "list", "map", "any"}

func checkClaimName(name string) error {
	if name == "" || len(name) > maxPattern {
		return fmt.Errorf("%.80q is not the name of a claim", name)
	}
	return nil
}

// checkRight: a permission, role or group may be called anything.
func checkRight(name string) error {
	const most = 256
	if len(name) > most {
		return fmt.Errorf("%.80q has %d bytes, at most %d", name, len(name), most)
	}
	return nil
}
