package doctor

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// Material is what an archive for support is made of, as it is on the machine.
type Material struct {
	Report   *Report           // required
	Text     string            // the report as people saw it
	Versions map[string]string // of the program, of Go, and of the system
	Settings []config.Setting  // in force; nil: none are known
	Status   *adminapi.Status  // of the server that runs; nil: none does
	Events   [][]byte          // the last lines of the audit trail, the oldest first
	Log      []byte            // the end of the server's log; nil: it is not known
	Environ  []string          // our environment; only names of it get in
	Secrets  []string          // every secret that is known; those that look like one in Environ need not be named
	Names    []string          // that are to be struck out too: of the machine, of a home directory
	At       time.Time
}

// Member is one file of an archive.
type Member struct {
	Name string `json:"name"`
	Size int    `json:"bytes"`
	text []byte
}

// Bundle is an archive for support before it is written.
type Bundle struct {
	Members []Member  `json:"members"`
	Removed []Removal `json:"removed"`
	at      time.Time
}

// Pack makes an archive of what may be shown to somebody else. Nothing of the
// material gets in but through the scrubber.
func Pack(m *Material) (*Bundle, error) {
	s := newScrubber(slices.Concat(m.Secrets, secretsIn(m.Environ)), m.Names)
	b := &Bundle{at: m.At}
	put := func(name string, text []byte) { b.Members = append(b.Members, Member{name, len(text), text}) }
	for _, doc := range []struct {
		name string
		have bool
		of   any
	}{
		{"versions.json", true, m.Versions}, {"doctor.json", true, m.Report}, {"status.json", m.Status != nil, m.Status},
		{"configuration.json", m.Settings != nil, reduceSettings(s, m.Settings)}, {"environment.json", true, variables(m.Environ)},
	} {
		if !doc.have {
			continue
		}
		text, err := s.document(doc.name, doc.of)
		if err != nil {
			return nil, err
		}
		put(doc.name, text)
	}
	s.file = "doctor.txt"
	put(s.file, []byte(s.lines(m.Text)))
	if m.Events != nil {
		s.file = "audit.jsonl"
		put(s.file, newReducer(s).events(m.Events))
	}
	if m.Log != nil {
		s.file = "log.txt"
		put(s.file, []byte(s.lines(string(m.Log))))
	}
	b.Removed = s.list()
	slices.SortFunc(b.Members, func(x, y Member) int { return strings.Compare(x.Name, y.Name) })
	return b, nil
}

// document writes anything as JSON, scrubbed.
func (s *scrubber) document(name string, of any) ([]byte, error) {
	raw, err := json.Marshal(of)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	s.file = name
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s.value("", v)); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// lines scrubs a text: what goes over lines as a whole, then each line, as JSON from
// where that begins. A journal and a terminal put the time and a host in front.
func (s *scrubber) lines(text string) string {
	text = s.strike("", text) // a secret may have lines
	text = patterns[0].find.ReplaceAllStringFunc(text, func(string) string { s.note("", patterns[0].what); return Gone })
	all := strings.Split(text, "\n")
	for i, line := range all {
		all[i] = s.line(line)
	}
	return strings.Join(all, "\n")
}

func (s *scrubber) line(line string) string {
	var v map[string]any
	if at := strings.IndexByte(line, '{'); at >= 0 && json.Unmarshal([]byte(line[at:]), &v) == nil {
		if clean, err := json.Marshal(s.value("", v)); err == nil {
			if before, whole := strings.CutSuffix(s.pairs(line[:at+1]), "{"); whole { // else it belongs to what is taken out
				return before + string(clean)
			}
		}
	}
	return s.pairs(line)
}

var inEnvironment = regexp.MustCompile(`\.env[.\[]|\.env$`)

// reduceSettings leaves out what children are given: people put credentials into
// arguments and variables, under names that nobody can know.
func reduceSettings(s *scrubber, all []config.Setting) []config.Setting {
	s.file = "configuration.json"
	out := slices.Clone(all)
	for i := range out {
		o := &out[i]
		if o.Digest != "" {
			s.note(o.Path, "secret")
		}
		o.Digest = ""
		list, isList := o.Value.([]string)
		switch {
		case o.Value == nil:
		case inEnvironment.MatchString(o.Path):
			s.note(o.Path, "value in the environment of a child")
			o.Value = Gone
		case isList && strings.HasSuffix(o.Path, ".command") && len(list) > 1:
			s.note(o.Path, "arguments of a program")
			o.Value = []string{list[0], Gone}
		}
	}
	return out
}

// variables are the names of what we were given that is about us.
func variables(environ []string) []string {
	all := []string{}
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "GATEHOUSE_") || name == "NO_COLOR" || strings.HasPrefix(name, "XDG_") {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// secretsIn are the values of variables whose names say that they are secret.
func secretsIn(environ []string) (all []string) {
	const shortest = 6 // "true" and the like are no secrets
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		if len(value) >= shortest && (secretish.MatchString(name) || strings.HasSuffix(name, "_KEY")) && !strings.HasPrefix(value, "/") {
			all = append(all, value)
		}
	}
	return all
}

// Write writes the archive: tar, compressed by gzip.
func (b *Bundle) Write(to io.Writer) error {
	z := gzip.NewWriter(to)
	w := tar.NewWriter(z)
	for _, m := range b.Members {
		if err := w.WriteHeader(&tar.Header{Name: "gatehouse-support/" + m.Name, Mode: 0o600, Size: int64(m.Size), ModTime: b.at}); err != nil {
			return fmt.Errorf("write %s: %w", m.Name, err)
		}
		if _, err := w.Write(m.text); err != nil {
			return fmt.Errorf("write %s: %w", m.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return z.Close()
}
