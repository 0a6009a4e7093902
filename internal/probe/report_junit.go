package probe

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"
)

// The parts of JUnit's XML that build servers read.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Name    string       `xml:"name,attr"`
		Tests   int          `xml:"tests,attr"`
		Fails   int          `xml:"failures,attr"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name    string      `xml:"name,attr"`
		Tests   int         `xml:"tests,attr"`
		Fails   int         `xml:"failures,attr"`
		Errors  int         `xml:"errors,attr"`
		Skipped int         `xml:"skipped,attr"`
		Time    string      `xml:"time,attr"`
		Began   string      `xml:"timestamp,attr"`
		Cases   []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string      `xml:"classname,attr"`
		Name    string      `xml:"name,attr"`
		Time    string      `xml:"time,attr"`
		Failure *junitFault `xml:"failure,omitempty"`
		Skipped *junitSkip  `xml:"skipped,omitempty"`
		Out     string      `xml:"system-out,omitempty"`
	}
	junitFault struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
	junitSkip struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes reports for build servers: a failure fails its case, a
// warning is in the output of one that passes, and what was not seen is skipped.
func WriteJUnit(w io.Writer, all []*Report) error {
	out := junitSuites{Name: "gatehouse check"}
	for _, r := range all {
		s := r.junit()
		out.Tests += s.Tests
		out.Fails += s.Fails
		out.Suites = append(out.Suites, s)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Report) junit() junitSuite {
	s := junitSuite{
		Name: clean(r.URL), Time: strconv.FormatFloat(r.Took.Seconds(), 'f', 3, 64), Began: r.Began.UTC().Format("2006-01-02T15:04:05"),
	}
	add := func(group, name string, res *Result) {
		c := junitCase{Class: "gatehouse." + group, Name: clean(name), Time: "0"}
		switch res.Outcome {
		case Fail:
			c.Failure = &junitFault{Message: clean(res.Text), Type: string(res.Rule.Severity), Text: clean(r.told(res))}
			s.Fails++
		case Unknown, Without:
			c.Skipped = &junitSkip{Message: clean(string(res.Outcome) + ": " + res.Text)}
			s.Skipped++
		case Warn:
			c.Out = clean("warning: " + r.told(res))
		default:
			c.Out = clean(res.Text)
		}
		s.Tests++
		s.Cases = append(s.Cases, c)
	}
	for i := range r.Results {
		res := &r.Results[i]
		add(string(res.Rule.Group), res.Rule.Code+" "+res.Rule.Title, res)
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		add("Clients", clientRule.Code+" "+c.Client, &Result{Rule: clientRule, Verdict: c.Verdict})
	}
	return s
}

// told is all that there is to say about a result.
func (r *Report) told(res *Result) string {
	var b strings.Builder
	b.WriteString(res.Text + "\n" + res.Remedy() + "\nWhy: " + res.Rule.Why + "\n")
	for _, x := range res.Evidence[:min(len(res.Evidence), maxProofs)] {
		b.WriteString("\n" + x.Request() + "\n" + x.Response())
	}
	return b.String()
}

// clean leaves out what XML cannot hold. XML 1.0 §2.2
func clean(text string) string { return shown(strings.ToValidUTF8(text, "·")) }
