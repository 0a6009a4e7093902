package clients

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestGuide holds the part of docs/how-to/connect.md that is about each client to
// what is known of it here.
func TestGuide(t *testing.T) {
	const name = "../../docs/how-to/connect.md"
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- clients: written by go test ./internal/clients -update -->\n", "<!-- /clients -->\n"
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the clients")
	}
	var b strings.Builder
	b.WriteString(head + begin + "\n## Clients\n\n")
	b.WriteString("| client | on the command line | OAuth | with a key | its file |\n|---|---|---|---|---|\n")
	for _, c := range All() {
		fmt.Fprintf(&b, "| [%s](#%s) | `%s` | %s | %s | %s |\n", c.Name, anchor(c.Name), c.ID, oauthOf(c), keyOf(c), fileOf(c))
	}
	for _, c := range All() {
		section(t, &b, c)
	}
	b.WriteString("\n" + end + tail)
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if b.String() != string(page) {
		t.Errorf("%s is not what is known of the clients; write it anew with -update", name)
	}
}

// anchor is how a heading is linked to.
func anchor(heading string) string {
	heading = strings.ReplaceAll(strings.ToLower(heading), " ", "-")
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("(),.", r) {
			return -1
		}
		return r
	}, heading)
}

func oauthOf(c *Client) string {
	switch {
	case c.Can(ByOAuth):
		return "yes: " + strings.Join(c.Register, ", ")
	case c.Can(ByBridge):
		return "through the bridge"
	}
	return "no"
}

func keyOf(c *Client) string {
	switch {
	case c.Can(ByKey) && c.Prompt:
		return "it asks for the key"
	case c.Can(ByKey) && len(c.Key) > 0:
		return "from a variable"
	case c.Can(ByKey):
		return "yes"
	case c.Can(ByBridge):
		return "through the bridge"
	}
	return "no"
}

func fileOf(c *Client) string {
	if !c.Writes() {
		return "by hand"
	}
	s := &System{OS: "linux", Home: "~", Getenv: func(string) string { return "" }, Exists: func(string) bool { return false }}
	if path := c.File(s, false); path != "" {
		return "`" + path + "`"
	}
	return "`" + strings.TrimPrefix(c.File(s, true), "/") + "`"
}

func section(t *testing.T, b *strings.Builder, c *Client) {
	fmt.Fprintf(b, "\n### %s\n\n", c.Name)
	v := acme(ByOAuth)
	if !c.Writes() {
		v.Var = "ACME_MCP_KEY"
		for _, step := range v.Texts(c.Steps) {
			if strings.HasPrefix(step, "  ") {
				fmt.Fprintf(b, "  `%s`\n", strings.TrimSpace(step))
			} else {
				fmt.Fprintf(b, "- %s\n", step)
			}
		}
		b.WriteString("\n")
		sources(b, c)
		return
	}
	places(b, c)
	for _, w := range []Way{ByOAuth, ByKey, ByBridge} {
		if !c.Can(w) || w == ByBridge && c.Can(ByOAuth) && c.Can(ByKey) {
			continue
		}
		text, err := c.Snippet(acme(w))
		if err != nil {
			t.Fatal(err)
		}
		said := map[Way]string{ByOAuth: "With OAuth:", ByKey: "With a key:", ByBridge: "Through the bridge, here with a key:"}[w]
		fmt.Fprintf(b, "%s\n\n```%s\n%s\n```\n\n", said, c.Format, text)
	}
	v.Var = "ACME_MCP_KEY"
	for _, next := range v.Texts(c.After) {
		fmt.Fprintf(b, "- Then: %s\n", next)
	}
	if c.SignIn != "" {
		fmt.Fprintf(b, "- To sign in: %s\n", v.Texts([]string{c.SignIn})[0])
	}
	if c.Unset != "" {
		fmt.Fprintf(b, "- With a variable that is not set it %s.\n", c.Unset)
	}
	b.WriteString("\n")
	sources(b, c)
}

// places lists where the files are.
func places(b *strings.Builder, c *Client) {
	list := func(paths []string) string {
		all := make([]string, len(paths))
		for i, p := range paths {
			p = strings.NewReplacer("$CONFIG/", "~/.config/", "$SUPPORT/", "~/Library/Application Support/", "$APPDATA/", "%APPDATA%/").Replace(p)
			all[i] = "`" + p + "`"
		}
		return strings.Join(all, ", ")
	}
	switch {
	case c.User.Linux == nil:
	case strings.Join(c.User.Linux, " ") == strings.Join(c.User.Mac, " ") && len(c.User.Linux) == 1:
		fmt.Fprintf(b, "Its file is %s.", list(c.User.Linux))
	case strings.Join(c.User.Linux, " ") == strings.Join(c.User.Mac, " "):
		fmt.Fprintf(b, "Its file is the first of these that exists: %s.", list(c.User.Linux))
	default:
		fmt.Fprintf(b, "Its file: on Linux %s; on macOS %s; on Windows %s.", list(c.User.Linux), list(c.User.Mac), list(c.User.Windows))
	}
	if c.Project.Linux != nil {
		fmt.Fprintf(b, " Of a project: %s.", list(c.Project.Linux))
	}
	b.WriteString("\n\n")
}

func sources(b *strings.Builder, c *Client) {
	b.WriteString("Where that is from: ")
	for i, s := range c.Sources {
		if i > 0 {
			b.WriteString("; ")
		}
		how := map[string]string{"run": "run, ", "doc": "its documentation, ", "source": "source of ", "issue": "issue ", "memory": "recollection, not checked"}[s.How]
		fmt.Fprintf(b, "%s (%s%s)", s.What, how, s.Where)
	}
	b.WriteString(".\n")
}
