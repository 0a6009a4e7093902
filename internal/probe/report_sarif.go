package probe

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
)

// The parts of SARIF 2.1.0 that are used.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool         `json:"tool"`
		Results    []sarifResult     `json:"results"`
		Properties map[string]string `json:"properties,omitempty"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifRule struct {
		ID         string         `json:"id"`
		Name       string         `json:"name"`
		Short      sarifText      `json:"shortDescription"`
		Full       sarifText      `json:"fullDescription"`
		Help       sarifText      `json:"help"`
		HelpURI    string         `json:"helpUri,omitempty"`
		Default    sarifLevel     `json:"defaultConfiguration"`
		Properties map[string]any `json:"properties"`
	}
	sarifLevel struct {
		Level string `json:"level"`
	}
	sarifResult struct {
		RuleID    string            `json:"ruleId"`
		Kind      string            `json:"kind"`
		Level     string            `json:"level"`
		Message   sarifText         `json:"message"`
		Locations []sarifLocation   `json:"locations"`
		Prints    map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// scores are what code scanning sorts by: of GitHub, 9 is critical and 4 medium.
var scores = map[Severity]string{Critical: "9.5", High: "8.0", Medium: "5.5", Low: "3.0"}

// WriteSARIF writes reports for code scanning. What passed is in it as kind
// "pass" and what was not seen as "open"; scanners show only what failed.
func WriteSARIF(w io.Writer, all []*Report) error {
	log := sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{}}
	for _, r := range all {
		log.Runs = append(log.Runs, r.sarif())
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(log)
}

func (r *Report) sarif() sarifRun {
	run := sarifRun{
		Tool:       sarifTool{sarifDriver{Name: "gatehouse check", InformationURI: "https://github.com/gatehouse-mcp/gatehouse", Rules: []sarifRule{}}},
		Results:    []sarifResult{},
		Properties: map[string]string{"target": r.URL},
	}
	seen := map[string]bool{}
	for i := range r.Results {
		res := &r.Results[i]
		if !seen[res.Rule.Code] {
			seen[res.Rule.Code] = true
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, res.Rule.sarif())
		}
		out := r.sarifResult(res.Rule.Code, res.Outcome, res.Text, res.Place)
		if res.Outcome == Fail || res.Outcome == Warn {
			out.Message.Text += ". " + res.Remedy()
		}
		run.Results = append(run.Results, out)
	}
	if len(r.Clients) == 0 {
		return run
	}
	run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, clientRule.sarif())
	for i := range r.Clients {
		c := &r.Clients[i]
		run.Results = append(run.Results, r.sarifResult(clientRule.Code, c.Outcome, c.Client+": "+c.Text, c.Client))
	}
	return run
}

func (r *Rule) sarif() sarifRule {
	s := sarifRule{
		ID: r.Code, Name: r.Name, Short: sarifText{r.Title}, Full: sarifText{r.Why}, Help: sarifText{r.Fix}, Default: sarifLevel{"error"},
		Properties: map[string]any{"security-severity": scores[r.Severity], "tags": []string{"security", "mcp"}},
	}
	if len(r.Links) > 0 {
		s.HelpURI = r.Links[0].URL
	}
	return s
}

// sarifResult is one result; where tells it apart from others of its rule.
func (r *Report) sarifResult(code string, o Outcome, text, where string) sarifResult {
	kinds := map[Outcome][2]string{
		Pass: {"pass", "none"}, Warn: {"fail", "warning"}, Fail: {"fail", "error"}, Unknown: {"open", "none"}, Without: {"notApplicable", "none"},
	}
	out := sarifResult{
		RuleID: code, Kind: kinds[o][0], Level: kinds[o][1], Message: sarifText{orElse(text, string(o))},
		Prints: map[string]string{"gatehouse/v1": fmt.Sprintf("%s %s %s", code, r.URL, where)},
	}
	at := sarifPhysical{Artifact: sarifArtifact{URI: r.URL}}
	if u, err := url.Parse(r.URL); err == nil && !r.File {
		at.Artifact.URI = u.String() // what is hidden in it has no characters of a URI
	} else if r.File {
		at.Artifact.URI = (&url.URL{Path: strings.TrimPrefix(r.URL, "./")}).String()
		if line, column := lineOf(where); line > 0 {
			at.Region = &sarifRegion{StartLine: line, StartColumn: column}
		}
	}
	out.Locations = []sarifLocation{{at}}
	return out
}

// lineOf reads file:line:column; zero: it is not that.
func lineOf(place string) (line, column int) {
	parts := strings.Split(place, ":")
	if len(parts) < 3 {
		return 0, 0
	}
	line, err := strconv.Atoi(parts[len(parts)-2])
	column, err2 := strconv.Atoi(parts[len(parts)-1])
	if err != nil || err2 != nil {
		return 0, 0
	}
	return line, column
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
