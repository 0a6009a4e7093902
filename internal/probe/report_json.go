package probe

import "time"

// The shapes below are the output of check --json. What is there stays; more may come.

// Document is what check --json writes.
type Document struct {
	Version  int        `json:"version"` // of this shape: 1
	Fails    int        `json:"fails"`
	Warnings int        `json:"warnings"`
	Unknown  int        `json:"unknown"`
	Reports  []Findings `json:"reports"`
	Fix      *Fix       `json:"fix,omitempty"` // with --fix
}

// Fix is what to change in the configuration of a server of ours.
type Fix struct {
	File     string     `json:"file"`
	Settings []FixEntry `json:"settings"`
	Diff     string     `json:"diff,omitempty"` // of the file, unified
	Written  bool       `json:"written"`
	Backup   string     `json:"backup,omitempty"` // of the file as it was
}

// FixEntry is one setting.
type FixEntry struct {
	Code    string `json:"code"` // of the rule that found something
	Setting string `json:"setting"`
	Value   string `json:"value,omitempty"` // left out: a person has to choose it
	Note    string `json:"note"`            // what changes then, or what to choose by
	ByHand  bool   `json:"by_hand,omitempty"`
}

// Findings are those of one server, or of one configuration file.
type Findings struct {
	Target   string          `json:"target"` // its URL, or the name of the file
	Began    time.Time       `json:"began"`
	Took     float64         `json:"took"` // seconds
	Profile  string          `json:"profile,omitempty"`
	Requests int             `json:"requests"`
	Answered bool            `json:"answered"`
	From     string          `json:"from,omitempty"` // public; left out: this machine
	At       []string        `json:"at,omitempty"`   // addresses that were looked at, whatever this machine takes the name for
	Findings []Finding       `json:"findings"`
	Clients  []ClientFinding `json:"clients"`
}

// Finding is what came of one rule.
type Finding struct {
	Code     string  `json:"code"`
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	Group    string  `json:"group"`
	Severity string  `json:"severity"`
	Outcome  string  `json:"outcome"` // pass, fail, warn, unknown or not_applicable
	Text     string  `json:"text"`
	Why      string  `json:"why,omitempty"` // with this and the next: of what failed or is a warning
	Fix      string  `json:"fix,omitempty"`
	Links    []Ref   `json:"links,omitempty"`
	Evidence []Proof `json:"evidence,omitempty"`
	Place    string  `json:"place,omitempty"` // in a configuration file: file:line:column
}

// Ref leads to a text.
type Ref struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Proof is a request and its answer, without secrets.
type Proof struct {
	Line     string `json:"line"`
	Request  string `json:"request"`
	Response string `json:"response"`
}

// ClientFinding says whether a real client can log in.
type ClientFinding struct {
	Client  string `json:"client"`
	Outcome string `json:"outcome"`
	Text    string `json:"text"`
}

// Findings returns the report in the shape in which it is written. With full,
// what passed has its evidence too.
func (r *Report) Findings(full bool) Findings {
	out := Findings{
		Target: r.URL, Began: r.Began.UTC(), Took: r.Took.Seconds(), Profile: string(r.Profile), Requests: r.Requests, Answered: r.Answered, From: r.From, At: r.At,
		Findings: []Finding{}, Clients: []ClientFinding{},
	}
	for i := range r.Results {
		out.Findings = append(out.Findings, r.Results[i].finding(full))
	}
	for i := range r.Clients {
		c := &r.Clients[i]
		out.Clients = append(out.Clients, ClientFinding{Client: c.Client, Outcome: string(c.Outcome), Text: c.Text})
	}
	return out
}

const maxProofs = 5 // of one finding

func (r *Result) finding(full bool) Finding {
	f := Finding{
		Code: r.Rule.Code, Name: r.Rule.Name, Title: r.Rule.Title, Group: string(r.Rule.Group), Severity: string(r.Rule.Severity),
		Outcome: string(r.Outcome), Text: r.Text, Place: r.Place,
	}
	if bad := r.Outcome == Fail || r.Outcome == Warn; !bad && !full {
		return f
	} else if bad {
		f.Why, f.Fix = r.Rule.Why, r.Remedy()
		for _, l := range r.Rule.Links {
			f.Links = append(f.Links, Ref(l))
		}
	}
	for _, x := range r.Evidence[:min(len(r.Evidence), maxProofs)] {
		f.Evidence = append(f.Evidence, Proof{Line: x.Line(), Request: x.Request(), Response: x.Response()})
	}
	return f
}

// Remedy is what to do about a result.
func (r *Result) Remedy() string {
	if r.Fix != "" {
		return r.Fix
	}
	return r.Rule.Fix
}

// Add counts a report's findings in.
func (d *Document) Add(f Findings) {
	d.Version = 1
	d.Reports = append(d.Reports, f)
	count := func(o string) {
		switch Outcome(o) {
		case Fail:
			d.Fails++
		case Warn:
			d.Warnings++
		case Unknown:
			d.Unknown++
		}
	}
	for i := range f.Findings {
		count(f.Findings[i].Outcome)
	}
	for i := range f.Clients {
		count(f.Clients[i].Outcome)
	}
}
