package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/policy"
)

func (a *app) policyTest() *cobra.Command {
	f := struct{ server, against, junit string }{}
	c := &cobra.Command{
		Use:   "test [FILES] [--against TRAIL] [-c FILE]",
		Short: "Run test files, or past calls, against the rules",
		Long: "Run files of cases: each says who calls what, and what is expected: allow, deny or step-up (refused, and more\n" +
			"scopes or a new sign-in would do). Without FILES these are the files *_test.yaml beside the configuration, in\n" +
			"policy/ and beside the files of rules. With --against the calls of an audit trail are decided anew instead, and\n" +
			"those are named that would be decided differently now. Nothing is called. It ends with 1 when a case fails, or a\n" +
			"call would be decided differently.",
		Example: "  gatehouse policy test\n" +
			"  gatehouse policy test policy/crm_test.yaml --junit report.xml\n" +
			"  gatehouse policy test --against audit.jsonl -c new.yaml\n",
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     rulesFiles,
		RunE: func(c *cobra.Command, args []string) error {
			a.configFile()
			switch {
			case f.against != "" && len(args) > 0:
				return usage("--against runs past calls, and FILES are cases; run them one after the other")
			case f.against != "":
				return a.replay(c.Context(), f.against, f.server)
			}
			return a.runCases(args, f.server, f.junit)
		},
	}
	c.Flags().StringVar(&f.server, "server", "", "the server that is called, by its `NAME`, if the file does not say")
	c.Flags().StringVar(&f.against, "against", "", "decide the calls of this audit `TRAIL` anew")
	c.Flags().StringVar(&f.junit, "junit", "", "write the results to this `FILE` too, as JUnit XML")
	_ = c.RegisterFlagCompletionFunc("server", a.completeServers)
	return c
}

// caseResult is what became of one case, for scripts.
type caseResult struct {
	Place  string `json:"place"` // file:line
	Name   string `json:"name,omitempty"`
	Passed bool   `json:"passed"`
	Want   string `json:"want"`
	Got    string `json:"got"`
	Reason string `json:"reason"` // of the decision
}

// testedCases is the result of policy test, for scripts.
type testedCases struct {
	Passed int          `json:"passed"`
	Failed int          `json:"failed"`
	Cases  []caseResult `json:"cases"`
}

func (a *app) runCases(files []string, server, junit string) error {
	if len(files) == 0 {
		var err error
		if files, err = a.testFiles(); err != nil {
			return err
		}
	}
	out := testedCases{Cases: []caseResult{}}
	known := map[string]*ruled{} // by configuration and server
	for _, name := range files {
		cases, err := config.LoadCases(name)
		if errors.As(err, new(config.Mistakes)) {
			return err
		}
		if err != nil {
			var why *fs.PathError
			if errors.As(err, &why) {
				err = why.Err
			}
			return &fault{exitNotFound, "GH-2401", fmt.Sprintf("The test file %s cannot be read: %v.", name, err)}
		}
		file, of := orElse(cases.Config, a.file), orElse(cases.Server, server)
		c, err := a.loadFile(file)
		if err != nil {
			return err
		}
		r := known[file+"\n"+of]
		if r == nil {
			if r, err = a.oneServer(c, of); err != nil {
				return err
			}
			known[file+"\n"+of] = r
		}
		for i := range cases.Cases {
			result, err := runCase(c, r, &cases.Cases[i])
			if err != nil {
				return err
			}
			out.Cases = append(out.Cases, *result)
		}
	}
	for i := range out.Cases {
		if out.Cases[i].Passed {
			out.Passed++
		} else {
			out.Failed++
		}
	}
	return a.showCases(&out, junit)
}

// testFiles are those that go with the configuration.
func (a *app) testFiles() ([]string, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(a.file)
	dirs := []string{dir, filepath.Join(dir, "policy")}
	for i := range c.Servers {
		p, _ := c.PolicyOf(&c.Servers[i])
		for _, pattern := range p.Files {
			of := a.short(filepath.Dir(pattern))
			dirs = append(dirs, of)
		}
	}
	slices.Sort(dirs)
	var files []string
	for _, d := range slices.Compact(dirs) {
		for _, ending := range []string{"yaml", "yml"} {
			found, err := filepath.Glob(filepath.Join(d, "*_test."+ending))
			if err != nil {
				return nil, fmt.Errorf("look for test files in %s: %w", d, err)
			}
			files = append(files, found...)
		}
	}
	if len(files) == 0 {
		return nil, &fault{exitNotFound, "GH-2401", "There are no files *_test.yaml in " + strings.Join(slices.Compact(dirs), ", ") + ". Name them: gatehouse policy test" + a.place() + " FILES"}
	}
	return files, nil
}

// short names what lies beside the configuration, or below it, as the
// configuration itself is named.
func (a *app) short(path string) string {
	dir := filepath.Dir(a.file)
	if here, err := filepath.Abs(dir); err == nil {
		if rel, err := filepath.Rel(here, path); err == nil && !strings.HasPrefix(rel, "..") {
			return filepath.Join(dir, rel)
		}
	}
	return path
}

func runCase(c *config.Config, r *ruled, one *config.Case) (*caseResult, error) {
	who, err := asker(c, &one.Caller)
	var f *fault
	if errors.As(err, &f) {
		return nil, &fault{f.exit, f.code, one.Source() + ": " + f.text}
	}
	if err != nil {
		return nil, err
	}
	op := &policy.Operation{Kind: policy.Tool, Name: one.Call.Tool, Method: "tools/call", Args: one.Call.Args}
	switch {
	case one.Call.Prompt != "":
		op.Kind, op.Name, op.Method = policy.Prompt, one.Call.Prompt, "prompts/get"
	case one.Call.Resource != "":
		op.Kind, op.Name, op.Method = policy.Resource, one.Call.Resource, "resources/read"
	}
	op.Method = orElse(one.Call.Method, op.Method)
	d := r.rules.Decide(who, op)
	result := &caseResult{Place: one.Source(), Name: one.Name, Want: one.Expect, Got: decided(&d), Reason: d.Reason}
	if one.Rule != "" {
		result.Want += " by " + one.Rule
		if result.Got == one.Expect && slices.Contains(d.Rules, one.Rule) {
			result.Got = result.Want
		} else {
			result.Got += " by " + orElse(strings.Join(d.Rules, ", "), "no rule")
		}
	}
	if one.Scopes != nil {
		result.Want += " for " + strings.Join(sorted(one.Scopes), " ")
		result.Got += " for " + orElse(strings.Join(sorted(d.Scopes), " "), "no scopes")
	}
	result.Passed = result.Want == result.Got
	return result, nil
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func (a *app) showCases(out *testedCases, junit string) error {
	if junit != "" {
		if err := writeJUnit(junit, out); err != nil {
			return err
		}
	}
	if a.json {
		if err := a.object(out); err != nil {
			return err
		}
	} else {
		a.print("%d passed, %d failed\n", out.Passed, out.Failed)
		for _, r := range out.Cases {
			if r.Passed && !a.verbose {
				continue
			}
			name := ""
			if r.Name != "" {
				name = "  " + r.Name
			}
			if r.Passed {
				a.print("%s %s got %s%s\n", a.mark(a.out, "✓"), r.Place, r.Got, name)
				continue
			}
			a.print("%s %s expected %s, got %s%s\n", a.mark(a.out, "✗"), r.Place, r.Want, r.Got, name)
			if r.Reason != "" {
				a.print("    %s\n", r.Reason)
			}
		}
	}
	if out.Failed > 0 {
		return &fault{exit: exitFailure} // all was said
	}
	return nil
}

// writeJUnit writes results in the form that build servers read.
func writeJUnit(name string, out *testedCases) error {
	type failure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
	type testcase struct {
		Name    string   `xml:"name,attr"`
		Class   string   `xml:"classname,attr"`
		Failure *failure `xml:"failure,omitempty"`
	}
	suite := struct {
		XMLName  xml.Name   `xml:"testsuite"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Cases    []testcase `xml:"testcase"`
	}{Name: "gatehouse policy", Tests: len(out.Cases), Failures: out.Failed}
	for _, r := range out.Cases {
		one := testcase{Name: orElse(r.Name, r.Place), Class: r.Place}
		if !r.Passed {
			one.Failure = &failure{Message: fmt.Sprintf("expected %s, got %s", r.Want, r.Got), Text: r.Reason}
		}
		suite.Cases = append(suite.Cases, one)
	}
	text, err := xml.MarshalIndent(suite, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	const mode fs.FileMode = 0o644
	if err := os.WriteFile(name, append([]byte(xml.Header), append(text, '\n')...), mode); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
