package doctor

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
	"github.com/gatehouse-mcp/gatehouse/internal/idp"
	"github.com/gatehouse-mcp/gatehouse/internal/signin"
)

type illness struct {
	group, name string
	spoil       func(l *lab)
	outcome     Outcome
	code, says  string
}

// sick are states of a machine, each with the line that has to say so.
var sick = []illness{
	{"configuration", "a mistake in the file", func(l *lab) { l.more = "nosuch: 1"; l.load() }, Fail, "GH-2001", "nosuch"},
	{"configuration", "a warning", func(l *lab) {
		l.Mistakes = config.Mistakes{{Code: "GH-2010", Text: "x is wide", Warning: true}}
	}, Warn, "GH-2010", "x is wide"},
	{"configuration", "a file that cannot be read", func(l *lab) { l.Unread, l.Config = errors.New("no such file"), nil }, Fail, "GH-2001", "no such file"},
	{"secrets", "a variable that is not set", func(l *lab) { l.Environ = nil; l.load() }, Fail, "GH-2411", "PEPPER, which is not set"},
	{"secrets", "a file that others can read", func(l *lab) {
		write(l.t, filepath.Join(l.dir, "secret"), "s", 0o644)
		l.more = `audit: {file: "${file:secret}"}`
		l.load()
	}, Fail, "GH-2411", "chmod 600"},
	{"secrets", "a pepper that is too short", func(l *lab) { l.Pepper = "GATEHOUSE_KEY_PEPPER has 3 characters" }, Fail, "GH-2403", "3 characters"},
	{"state", "a directory that others may enter", func(l *lab) { _ = os.Chmod(l.State, 0o755) }, Fail, "GH-2002", "mode 0755"},
	{"state", "a key that others can read", func(l *lab) { _ = os.Chmod(filepath.Join(l.State, "seal.key"), 0o644) }, Fail, "GH-2002", "seal.key can be reached by others (mode 0644)"},
	{"state", "a file in the place of the directory", func(l *lab) { l.State = l.File }, Fail, "GH-2002", "is not a directory"},
	{"server", "no server", func(l *lab) { l.Status = nil }, Warn, "GH-2412", "no server runs"},
	{"server", "a server that does not answer", func(l *lab) { l.Status, l.Unasked = nil, errors.New("permission denied") }, Fail, "GH-2412", "permission denied"},
	{"server", "another configuration", func(l *lab) { l.Status.Config = "00000000" }, Warn, "GH-2412", "has loaded 00000000"},
	{"server", "a problem of the server", func(l *lab) { l.Status.Problems = []string{"GH-2302 files ended"} }, Fail, "GH-2410", "files ended"},
	{"ports", "a port that somebody else has", func(l *lab) {
		l.Status, l.Listen = nil, func(context.Context, string) error {
			return &adminapi.Error{Code: "GH-2301", Message: `127.0.0.1:8443 is in use by "node server.js" (pid 812).`}
		}
	}, Fail, "GH-2301", `by "node server.js" (pid 812)`},
	{"clock", "a clock that is a minute and a half off", func(l *lab) { l.Now = func() time.Time { return time.Now().Add(90 * time.Second) } }, Fail, "GH-2413", "off by 1m"},
	{"clock", "a clock that is some seconds off", func(l *lab) { l.Now = func() time.Time { return time.Now().Add(-20 * time.Second) } }, Warn, "GH-2413", "off by -"},
	{"names", "a name that does not exist", func(l *lab) { l.Resolver = resolver{} }, Fail, "GH-2414", "mcp.example.com (server.public_url) does not exist"},
	{"names", "a public name that is this machine", func(l *lab) { l.Resolver = resolver{"mcp.example.com": "127.0.1.1"} }, Warn, "GH-2414", "is this machine itself"},
	{"certificates", "one that has ended", func(l *lab) { l.pair("mcp.example.com", time.Now().Add(-time.Hour)) }, Fail, "GH-2031", "ended on"},
	{"certificates", "one that ends soon", func(l *lab) { l.pair("mcp.example.com", time.Now().Add(72*time.Hour)) }, Warn, "GH-2031", "ends on"},
	{"certificates", "one of another name", func(l *lab) { l.pair("other.example.com", time.Now().Add(9999*time.Hour)) }, Fail, "GH-2031", "is not for mcp.example.com"},
	{"certificates", "a key that others can read", func(l *lab) { _ = os.Chmod(filepath.Join(l.dir, "key.pem"), 0o640) }, Fail, "GH-2031", "mode 0640"},
	{"certificates", "one that nobody vouches for", func(l *lab) { l.Roots = x509.NewCertPool() }, Warn, "GH-2031", "neither will clients"},
	{"certificates", "a proxy that is not believed", func(l *lab) { l.Config.Server.TLS = config.TLS{TerminatedByProxy: true} }, Warn, "GH-2005", "X-Forwarded-For of nobody"},
	{"store", "a database that is damaged", func(l *lab) {
		l.Inspect = func(context.Context) (*Database, error) { return nil, errors.New("the database is damaged") }
	}, Fail, "GH-2415", "damaged"},
	{"store", "a database of a newer program", func(l *lab) {
		l.Inspect = func(context.Context) (*Database, error) { return &Database{Schema: 12, Known: 9}, nil }
	}, Fail, "GH-2415", "schema 12"},
	{"store", "a database of an older program", func(l *lab) {
		l.Inspect = func(context.Context) (*Database, error) { return &Database{Schema: 8, Known: 9}, nil }
	}, Warn, "GH-2415", "schema 8"},
	{"disk", "a disk that is nearly full", func(l *lab) { l.Free = func(string) (uint64, error) { return 5 << 20, nil } }, Fail, "GH-2416", "5 MiB"},
	{"disk", "a disk that gets full", func(l *lab) { l.Free = func(string) (uint64, error) { return 500 << 20, nil } }, Warn, "GH-2416", "500 MiB"},
	{"upstreams", "a server that is not there", func(l *lab) { l.behind.Close() }, Fail, "GH-2417", "does not answer"},
	{"upstreams", "a server that is a web site", func(l *lab) {
		l.behave = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }
	}, Fail, "GH-2417", "does not speak MCP"},
	{"upstreams", "a server that redirects", func(l *lab) {
		l.behave = func(w http.ResponseWriter, q *http.Request) { http.Redirect(w, q, "/login", http.StatusFound) }
	}, Fail, "GH-2417", "redirects elsewhere"},
	{"upstreams", "a server that wants a credential", func(l *lab) {
		l.behave = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	}, Warn, "GH-2417", "gatehouse sends none"},
	{"stdio", "a program that is not there", func(l *lab) {
		l.Resolve = func(string, string) (string, error) { return "", errors.New("program not found") }
	}, Fail, "GH-2304", "program not found"},
	{"stdio", "an account that does not exist", func(l *lab) { l.Account = func(string) error { return errors.New("unknown user") } }, Fail, "GH-2304", "no account nobody"},
	{"stdio", "a program that runs as root", func(l *lab) { l.Config.Servers[1].Stdio.User = ""; l.Root = true }, Warn, "GH-2304", "runs as root"},
	{"stdio", "a working directory that is not there", func(l *lab) { l.Config.Servers[1].Stdio.Cwd = "/nonexistent" }, Fail, "GH-2304", "/nonexistent is not there"},
	{"providers", "a provider that is not there", func(l *lab) {
		l.Gather = func(_ context.Context, _ *config.Issuer, f *idp.Facts) (bool, error) {
			f.Tried = []string{"https://idp: no connection"}
			return false, nil
		}
	}, Fail, "GH-2418", "no connection"},
	{"authserver", "other metadata", func(l *lab) {
		l.handler = func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": "https://evil.example"})
		}
	}, Fail, "GH-2419", "is not the metadata of"},
	{"authserver", "a proxy that keeps the metadata back", func(l *lab) {
		l.handler = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
	}, Fail, "GH-2419", "answers 404"},
	{"authserver", "a key that is lost", func(l *lab) { _ = os.Remove(filepath.Join(l.State, "seal.key")) }, Fail, "GH-2020", "is missing"},
	{"authserver", "a key that is too short", func(l *lab) { write(l.t, filepath.Join(l.State, "seal.key"), "short", 0o600) }, Fail, "GH-2020", "needs"},
	{"audit", "damaged lines", func(l *lab) {
		l.Verify = func(context.Context) (*Verified, error) {
			return &Verified{Damaged: 2, Where: "audit.jsonl at byte 7"}, nil
		}
	}, Warn, "GH-2420", "damaged lines: 2, the first in audit.jsonl at byte 7"},
	{"audit", "a directory in its place", func(l *lab) { l.Trail = l.State }, Fail, "GH-2420", "cannot be written"},
	{"sign-ins", "a keychain that cannot be opened", func(l *lab) {
		l.Accounts = func(context.Context) (string, []signin.Account, error) {
			return "", nil, errors.New("there is no keyring")
		}
	}, Fail, "GH-2421", "no keyring"},
	{"sign-ins", "a sign-in that has ended", func(l *lab) {
		l.Accounts = func(context.Context) (string, []signin.Account, error) {
			return "a file", []signin.Account{{Server: "https://a.example/mcp", Expires: time.Now().Add(-time.Hour)}}, nil
		}
	}, Warn, "GH-2421", "https://a.example/mcp has ended"},
	{"clients", "an entry of a server that is gone", func(l *lab) { l.cursor(`{"url": "https://mcp.example.com/gone"}`) }, Warn, "GH-2422", "where none of the servers is"},
	{"clients", "a bridge that is not there", func(l *lab) {
		l.Resolve = func(string, string) (string, error) { return "", errors.New("program not found") }
		l.cursor(`{"command": "/opt/old/gatehouse", "args": ["bridge", "https://mcp.example.com/mcp"]}`)
	}, Fail, "GH-2422", "/opt/old/gatehouse, which is not there"},
	{"clients", "a variable that is not set", func(l *lab) {
		l.cursor(`{"url": "https://mcp.example.com/mcp", "headers": {"Authorization": "Bearer ${env:NOTES_MCP_KEY}"}}`)
	}, Warn, "GH-2422", "NOTES_MCP_KEY, which is not set here"},
	{"clients", "a file with a mistake", func(l *lab) {
		write(l.t, filepath.Join(l.System.Home, ".cursor", "mcp.json"), `{"mcpServers": [`, 0o600)
	}, Warn, "GH-2203", "has a mistake"},
	{"limits", "few files", func(l *lab) { l.Files = func() (uint64, error) { return 1024, nil } }, Warn, "GH-2423", "1024"},
}

// cursor writes the file of Cursor, with one entry.
func (l *lab) cursor(entry string) {
	write(l.t, filepath.Join(l.System.Home, ".cursor", "mcp.json"), `{"mcpServers": {"notes": `+entry+`}}`, 0o600)
}

func TestEveryCheckSeesWhatIsWrong(t *testing.T) {
	sick := slices.Concat(sick, ailing)
	for _, c := range Checks() {
		if !slices.ContainsFunc(sick, func(s illness) bool { return s.group == c.Group }) {
			t.Errorf("%s is not proven by anything", c.Group)
		}
	}
	for _, s := range sick {
		t.Run(s.group+"/"+s.name, func(t *testing.T) {
			l := newLab(t).load()
			s.spoil(l)
			lines, err := Run(t.Context(), l.Machine, []string{s.group}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range lines {
				if x.Outcome != OK && x.Fix == "" {
					t.Errorf("%q says nothing to do", x.Text)
				}
				if x.Outcome == s.outcome && x.Code == s.code && strings.Contains(x.Text, s.says) {
					return
				}
			}
			t.Errorf("got %+v, want %s %s with %q", lines, s.outcome, s.code, s.says)
		})
	}
}

func TestAllIsWellWhereAllIsWell(t *testing.T) {
	l := newLab(t).load()
	l.Root = true
	l.cursor(`{"url": "https://mcp.example.com/mcp"}`)
	var through []string
	lines, err := Run(t.Context(), l.Machine, nil, func(group string) { through = append(through, group) })
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range lines {
		if x.Outcome != OK {
			t.Errorf("%s: %s %s: %s", x.Group, x.Outcome, x.Code, x.Text)
		}
	}
	for _, g := range Groups() {
		if !slices.ContainsFunc(lines, func(x Line) bool { return x.Group == g }) || !slices.Contains(through, g) {
			t.Errorf("%s said nothing", g)
		}
	}
}

func TestWhatNeedsAConfigurationIsUnknownWithoutOne(t *testing.T) {
	l := newLab(t).load()
	l.File, l.Config, l.Status = "", nil, nil
	lines, err := Run(t.Context(), l.Machine, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := lines[len(lines)-1]
	if last.Outcome != Unknown || !strings.Contains(last.Text, "upstreams") || !strings.Contains(last.Text, "no configuration was named") {
		t.Errorf("got %+v", last)
	}
	if _, err := Run(t.Context(), l.Machine, []string{"nosuch"}, nil); err == nil {
		t.Error("a group that does not exist was looked at")
	}
}

func TestACheckThatHangsIsUnknown(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hangs := Check{Group: "hangs", look: func(context.Context, *Machine, *report) { <-release }}
	quick := Check{Group: "quick", look: func(_ context.Context, _ *Machine, r *report) { r.ok("is there") }}
	lines := run(t.Context(), &Machine{}, []Check{hangs, quick}, time.Millisecond, nil)
	if len(lines) != 2 || lines[0].Outcome != Unknown || lines[1].Outcome != OK {
		t.Errorf("got %+v", lines)
	}
}

// TestUpstreamsThatAnybodyReaches is of a server beyond loopback that asks for nothing.
func TestUpstreamsThatAnybodyReaches(t *testing.T) {
	r := &report{}
	judgeUpstream(r, "notes", "http://10.0.3.7:3000/mcp", &config.Upstream{}, meeting{status: 200, served: true})
	if x := r.lines[0]; x.Outcome != Fail || x.Code != "GH-2110" || !strings.Contains(x.Text, "answers 200 without a credential. Anyone on that network bypasses gatehouse") {
		t.Errorf("got %+v", x)
	}
}
