package probe

import (
	_ "embed" // the page
	"html/template"
	"io"
)

//go:embed report.html
var reportPage string

var htmlReport = template.Must(template.New("report").Funcs(template.FuncMap{
	"sign": func(o string) string {
		return map[string]string{"pass": "✓", "warn": "!", "fail": "✗", "unknown": "?", "not_applicable": "–"}[o]
	},
	"says": func(o string) string {
		return map[string]string{"pass": "passes", "warn": "warning", "fail": "problem", "unknown": "not seen", "not_applicable": "does not apply"}[o]
	},
	"groups": func(f Findings) [][]Finding {
		var all [][]Finding
		for _, g := range Groups() {
			var of []Finding
			for i := range f.Findings {
				if f.Findings[i].Group == string(g) {
					of = append(of, f.Findings[i])
				}
			}
			if len(of) > 0 {
				all = append(all, of)
			}
		}
		return all
	},
}).Parse(reportPage))

// WriteHTML writes reports as one page that needs nothing else: no script, and
// nothing of third parties.
func WriteHTML(w io.Writer, all []*Report) error {
	var d Document
	for _, r := range all {
		d.Add(r.Findings(true))
	}
	return htmlReport.Execute(w, d)
}
