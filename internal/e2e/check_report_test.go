package e2e

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/chromium"
)

// echoedKey is a key that no report may have.
const echoedKey = "house_CanaryCanaryCanaryCanaryCanary42"

// echoing is an open server that says back what it was sent, and names that a page must not act upon.
func echoing(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Powered-By", `<script>alert("header")</script>`)
	_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":"gatehouse-check-1","result":{"tools":[{"name":"<img src=x onerror=alert(1)>\u202e"}],"sent":"`+r.Header.Get("Authorization")+`"}}`)
}

// TestCheckReports writes each kind of report and reads it by what reads them.
func TestCheckReports(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(echoing))
	t.Cleanup(s.Close)
	dir := stateDir(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("key"), echoedKey)
	out, errs, code := run(t, patience, gatehouseBinary(t), "check", s.URL+"/mcp", "-v", "--key-from", "file:"+at("key"),
		"--sarif", at("r.sarif"), "--junit", at("r.xml"), "--html", at("r.html"))
	if code != 1 || !strings.Contains(out, "✗ GH-2101") {
		t.Fatalf("got exit %d, %s%s, want 1 and GH-2101", code, out, errs)
	}
	for _, name := range []string{"r.sarif", "r.xml", "r.html"} {
		text, err := os.ReadFile(at(name))
		if err != nil {
			t.Fatal(err)
		}
		out += string(text)
	}
	for _, bad := range []string{echoedKey, "\u202e", "\x1b", "<script>alert", "<img src=x"} {
		if strings.Contains(out, bad) && !strings.HasPrefix(bad, "<") || strings.HasPrefix(bad, "<") && strings.Contains(fileText(t, at("r.html")), bad) {
			t.Errorf("a report has %q", bad)
		}
	}
	t.Run("SARIF", func(t *testing.T) {
		out, errs, code := run(t, patience, node(t), npmScript(t, "sarif.mjs"), at("r.sarif"))
		if code != 0 {
			t.Errorf("the schema of SARIF 2.1.0 says: %s%s", out, errs)
		}
	})
	t.Run("JUnit", func(t *testing.T) { wantJUnit(t, at("r.xml")) })
	t.Run("HTML", func(t *testing.T) {
		tab := chromium.Open(t)
		for _, dark := range []bool{false, true} {
			tab.Look(1100, 1400, dark)
			tab.Go("file://" + at("r.html"))
			tab.WaitFor("GH-2101")
			tab.Check("the report")
			tab.Shot(map[bool]string{false: "check-light", true: "check-dark"}[dark])
			tab.Look(360, 800, dark)
			tab.Check("the report on a telephone")
			tab.Shot(map[bool]string{false: "check-narrow", true: "check-narrow-dark"}[dark])
		}
		tab.Look(1100, 1400, true)
		tab.Print()
		tab.Check("the report on paper")
		tab.Shot("check-print")
		for _, a := range tab.Answers() {
			if !strings.HasPrefix(a.URL, "file://") {
				t.Errorf("the page loads %s", a.URL)
			}
		}
		if m := tab.Messages(); len(m) > 0 {
			t.Errorf("the browser says %q", m)
		}
	})
}

func fileText(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// junit is what build servers know: elements, and the attributes of each.
var junit = map[string][]string{
	"testsuites": {"name", "tests", "failures"},
	"testsuite":  {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
	"testcase":   {"classname", "name", "time"},
	"failure":    {"message", "type"},
	"skipped":    {"message"},
	"system-out": {},
}

// wantJUnit reads a report strictly: each element where it belongs, with attributes
// that are known, and counts that are right.
func wantJUnit(t *testing.T, name string) {
	t.Helper()
	parents := map[string]string{"testsuites": "", "testsuite": "testsuites", "testcase": "testsuite", "failure": "testcase", "skipped": "testcase", "system-out": "testcase"}
	d := xml.NewDecoder(strings.NewReader(fileText(t, name)))
	var stack []string
	count := map[string]int{}
	said := map[string]string{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			parent := ""
			if len(stack) > 0 {
				parent = stack[len(stack)-1]
			}
			if want, ok := parents[e.Name.Local]; !ok || want != parent {
				t.Errorf("<%s> is in <%s>", e.Name.Local, parent)
			}
			for _, a := range e.Attr {
				if !slices.Contains(junit[e.Name.Local], a.Name.Local) {
					t.Errorf("<%s> has %s", e.Name.Local, a.Name.Local)
				}
				if e.Name.Local == "testsuite" {
					said[a.Name.Local] = a.Value
				}
			}
			count[e.Name.Local]++
			stack = append(stack, e.Name.Local)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
	for attribute, element := range map[string]string{"tests": "testcase", "failures": "failure", "skipped": "skipped"} {
		if got := said[attribute]; got == "" || got != strconv.Itoa(count[element]) {
			t.Errorf("%s says %s, and there are %d", attribute, got, count[element])
		}
	}
}
