package e2e

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// TestAuditReference holds docs/reference/audit.md to the members and kinds that are written.
func TestAuditReference(t *testing.T) {
	text := read(t, "docs/reference/audit.md")
	section := func(title string) (names []string) {
		_, rest, _ := strings.Cut(text, "\n## "+title+"\n")
		rest, _, _ = strings.Cut(rest, "\n## ")
		table, _, _ := strings.Cut(rest, "\n\nThe trail writes") // another table follows
		for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(table, -1) {
			names = append(names, m[1])
		}
		return names
	}
	var out bytes.Buffer
	x := audit.Exporter{To: &out, Format: audit.FormatCSV}
	if err := x.Write(audit.Match{Event: &audit.Event{}}); err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(out.String(), "\r\n")
	if got, want := section("Members"), strings.Split(strings.ReplaceAll(head, `"`, ""), ","); !slices.Equal(got, want) {
		t.Errorf("the page has the members %v, want %v", got, want)
	}
	if got, want := section("What is written, and when"), config.AuditKinds(); !slices.Equal(got, want) {
		t.Errorf("the page has the kinds %v, want %v", got, want)
	}
}
