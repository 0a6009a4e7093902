package audit

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
)

// exported is a trail with two events in a format.
func exported(t *testing.T, format string, e ...*Event) string {
	t.Helper()
	var out bytes.Buffer
	x := Exporter{To: &out, Format: format, Source: "v1"}
	for _, e := range e {
		line := bytes.TrimSuffix(appendEvent(nil, e), []byte{'\n'})
		read, err := Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		if err := x.Write(Match{read, line}); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

func TestA179NoCellOfAnExportIsAFormula(t *testing.T) {
	for _, evil := range []string{"=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", "x\",\"=1", "x\r\n=1", `=HYPERLINK("http://x")`} {
		e := sample()
		e.Name, e.Client, e.Reason, e.Tenant, e.Subject = evil, evil, evil, evil, evil
		text := exported(t, FormatCSV, e, e)
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 3 || strings.Count(text, "\n") != 3 {
			t.Fatalf("%q: got %d rows, %v:\n%s", evil, len(rows), err, text)
		}
		for i, c := range rows[1] {
			if c = strings.TrimLeft(c, " "); c != "" && strings.ContainsAny(c[:1], "=+-@\t\r") || strings.HasPrefix(c, "＝") {
				t.Errorf("%q: column %s is %q", evil, rows[0][i], c)
			}
		}
	}
}

func TestExportOfLinesIsTheTrail(t *testing.T) {
	if got, want := exported(t, FormatJSONL, sample(), sample()), string(appendEvent(appendEvent(nil, sample()), sample())); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestExportToOCSF(t *testing.T) {
	failed, admin, counted := sample(), sample(), sample()
	failed.Kind, failed.Outcome, failed.Code, failed.Status = "auth_failed", Refused, "GH-1011", 401
	admin.Kind, admin.Action, admin.Phase, admin.Outcome, admin.By, admin.Detail = "admin", "key.create", Intent, "", "ada", map[string]string{"name": "x"}
	counted.Kind, counted.Count, counted.Since = "auth_failed", 7, counted.Time
	lines := strings.Split(strings.TrimSpace(exported(t, FormatOCSF, sample(), failed, admin, counted)), "\n")
	for i, want := range []map[string]any{
		{"class_uid": 6003., "category_uid": 6., "type_uid": 600399., "status_id": 1., "severity_id": 1., "time": 1795745529123.},
		{"class_uid": 3002., "category_uid": 3., "type_uid": 300201., "status_id": 2., "severity_id": 2., "status_code": "GH-1011"},
		{"class_uid": 3004., "status_id": 0., "activity_name": "key.create"},
		{"count": 7., "start_time": 1795745529123.},
	} {
		var got map[string]any
		if err := json.Unmarshal([]byte(lines[i]), &got); err != nil {
			t.Fatal(err)
		}
		for name, v := range want {
			if got[name] != v {
				t.Errorf("line %d: %s is %v, want %v", i, name, got[name], v)
			}
		}
	}
}
