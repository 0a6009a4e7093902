package audit

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Formats of an export.
const (
	FormatJSONL = "jsonl" // the lines as they are
	FormatCSV   = "csv"   // RFC 4180
	FormatOCSF  = "ocsf"  // Open Cybersecurity Schema Framework, one JSON object a line
)

// Formats are all of them.
func Formats() []string { return []string{FormatJSONL, FormatCSV, FormatOCSF} }

// Exporter writes events in a format.
type Exporter struct {
	To     io.Writer
	Format string // one of Formats
	Source string // version of the program, for OCSF
	begun  bool
}

// Write adds one event.
func (x *Exporter) Write(m Match) error {
	var line []byte
	switch x.Format {
	case FormatJSONL:
		line = append(m.Line, '\n')
	case FormatCSV:
		if !x.begun {
			line = csvLine(line, columns())
		}
		line = csvLine(line, cells(m.Event))
	case FormatOCSF:
		text, err := json.Marshal(ocsf(m.Event, x.Source))
		if err != nil {
			return fmt.Errorf("export as OCSF: %w", err)
		}
		line = append(text, '\n')
	default:
		return fmt.Errorf("there is no format %.40q", x.Format)
	}
	x.begun = true
	_, err := x.To.Write(line)
	return err
}

func columns() []string {
	return []string{
		"time", "kind", "action", "phase", "request", "server", "tenant", "tenant_id", "subject", "key", "client_supplied", "address",
		"key_name", "issuer", "client_id", "token", "rights", "auth_age", "rules",
		"method", "name", "status", "code", "reason", "outcome", "took_us", "count", "since", "args", "detail", "by",
	}
}

func cells(e *Event) []string {
	whole := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return string(appendTime(nil, t))
	}
	address, detail, age := "", "", ""
	if e.AuthAge != nil {
		age = strconv.FormatInt(*e.AuthAge, 10)
	}
	if e.Address.IsValid() {
		address = e.Address.String()
	}
	if len(e.Detail) > 0 {
		detail = strings.TrimPrefix(string(appendDetail(nil, e.Detail)), `,"detail":`)
	}
	return []string{
		at(e.Time), e.Kind, e.Action, e.Phase, e.Request, e.Server, e.Tenant, e.TenantID, e.Subject, e.KeyID, e.Client, address,
		e.KeyName, e.Issuer, e.ClientID, e.TokenID, strings.TrimPrefix(string(appendRights(nil, e.Rights)), `,"rights":`), age, strings.Join(e.Rules, ", "),
		e.Method, e.Name, whole(int64(e.Status)), e.Code, e.Reason, e.Outcome, whole(e.Took.Microseconds()), whole(int64(e.Count)), at(e.Since),
		string(e.Args), detail, e.By,
	}
}

// csvLine adds a line. Every cell is quoted: some programs split at other
// characters than commas. RFC 4180 §2
func csvLine(b []byte, cells []string) []byte {
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, strings.ReplaceAll(cell(c), `"`, `""`)...)
		b = append(b, '"')
	}
	return append(b, '\r', '\n')
}

// cell makes text harmless for a program that would take it for a formula: an
// apostrophe in front makes it text. owasp.org/www-community/attacks/CSV_Injection
func cell(s string) string {
	s = Plain(s, maxArgs)
	if first, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, " ")); strings.ContainsRune("=+-@\t\r|%＝＋－＠", first) && s != "" {
		return "'" + s
	}
	return s
}

// Plain returns a text as it can be shown anywhere: on one line, at most so many
// bytes long, and with everything escaped that moves a cursor or turns a line.
func Plain(s string, limit int) string {
	quoted := appendText(nil, s, limit)
	return unescape.Replace(string(quoted[1 : len(quoted)-1]))
}

// unescape takes back what only JSON needs.
var unescape = strings.NewReplacer(`\"`, `"`, `\\`, `\`)
