package reference_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/docs/reference"
)

func TestEveryRowOfTheErrorsIsRead(t *testing.T) {
	page, err := os.ReadFile("errors.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (GH-\d{4}) \|`).FindAllStringSubmatch(string(page), -1)
	if len(rows) < 100 {
		t.Fatalf("got %d rows, want all of them", len(rows))
	}
	for _, row := range rows {
		e := reference.ErrorOf(row[1])
		if e.Code != row[1] || e.Where == "" || e.Meaning == "" {
			t.Errorf("%s: got %+v", row[1], e)
		}
		for _, text := range []string{reference.Text(e.Meaning), reference.Text(e.Do)} {
			if strings.ContainsAny(text, "`") || strings.Contains(text, "](") {
				t.Errorf("%s: got %q, want no marks", row[1], text)
			}
		}
	}
	if e := reference.ErrorOf("GH-0000"); e != (reference.Error{}) {
		t.Errorf("got %+v for a code that there is not", e)
	}
	for markdown, want := range map[string]string{
		"see [tokens](tokens.md#a) and [b](c), `x`": "see tokens (docs/reference/tokens.md) and b, x", "[here](../how-to/why.md)": "here (docs/how-to/why.md)", "[out](https://x.example/a.md)": "out", "a [b": "a [b", "a [b](c": "a [b](c", "servers[].tenants": "servers[].tenants", "": "",
	} {
		if got := reference.Text(markdown); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
