package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// acmed has the server get its certificates by itself, from the front.
func (l *lab) acmed() *lab {
	l.Config.Server.TLS = config.TLS{ACME: &config.ACME{Directory: l.front.URL}}
	l.Config.Server.PlainListen = "127.0.0.1:8080"
	return l
}

// ailing are more states of a machine, as those of sick.
var ailing = []illness{
	{"certificates", "an ACME server that is none", func(l *lab) {
		l.handler = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }
		l.acmed()
	}, Fail, "GH-2034", "is no directory"},
	{"certificates", "a server that got none", func(l *lab) {
		l.acmed().Issued = func(context.Context, string) (*x509.Certificate, error) { return nil, fs.ErrNotExist }
	}, Fail, "GH-2034", "has got no certificate for mcp.example.com"},
	{"certificates", "a server that has not begun", func(l *lab) {
		l.acmed().Status = nil
		l.Issued = func(context.Context, string) (*x509.Certificate, error) { return nil, fs.ErrNotExist }
	}, Unknown, "", "the first start orders one"},
	{"certificates", "one of ACME that cannot be read", func(l *lab) {
		l.acmed().Issued = func(context.Context, string) (*x509.Certificate, error) { return nil, fs.ErrPermission }
	}, Fail, "GH-2034", "cannot be read"},
	{"certificates", "one of ACME that has ended", func(l *lab) {
		l.acmed().Now = func() time.Time { return l.front.Certificate().NotAfter.Add(time.Hour) }
	}, Fail, "GH-2034", "and was not renewed"},
	{"certificates", "one of ACME that nobody renews", func(l *lab) {
		l.acmed().Now = func() time.Time { return l.front.Certificate().NotAfter.Add(-time.Hour) }
	}, Warn, "GH-2034", "should have been renewed"},
	{"certificates", "a DNS that lets another authority issue", func(l *lab) {
		l.acmed().CAA = func(_ context.Context, name string) ([]CAA, error) {
			if name == "example.com" {
				return []CAA{{"issue", "other.example"}, {"iodef", "mailto:a@example.com"}}, nil
			}
			return nil, nil
		}
	}, Fail, "GH-2034", "the CAA records of example.com do not let this authority issue for mcp.example.com"},
	{"certificates", "a DNS that does not answer", func(l *lab) {
		l.acmed().CAA = func(context.Context, string) ([]CAA, error) { return nil, errors.New("i/o timeout") }
	}, Unknown, "", "i/o timeout"},
	{"certificates", "a port that is closed", func(l *lab) {
		l.acmed().Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("connection refused") }
	}, Warn, "GH-2034", "mcp.example.com:80 is not reached from this machine: connection refused"},
	{"certificates", "a port where somebody else is", func(l *lab) {
		l.acmed().Issued = func(context.Context, string) (*x509.Certificate, error) { return l.ca, nil }
	}, Warn, "GH-2034", "mcp.example.com:443 shows another certificate"},
	{"certificates", "a port where nobody speaks TLS", func(l *lab) {
		l.acmed().Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, l.behind.Listener.Addr().String())
		}
	}, Warn, "GH-2034", "does not speak TLS"},
	{"clock", "nobody to compare with, and nobody who sets it", func(l *lab) {
		l.Config.Auth.Issuers, l.Synced = nil, func() (bool, error) { return false, nil }
	}, Warn, "GH-2413", "nothing sets our clock"},
	{"clock", "nobody to compare with, and a system that does not say", func(l *lab) {
		l.Config.Auth.Issuers, l.Synced = nil, func() (bool, error) { return false, errors.New("not asked") }
	}, Unknown, "", "not asked"},
	{"clock", "an ACME server whose time is another", func(l *lab) {
		l.acmed().Config.Auth.Issuers = nil
		l.Now = func() time.Time { return time.Now().Add(2 * time.Minute) }
	}, Fail, "GH-2413", "off by 2m"},
	{"state", "a disk that is mounted for reading", func(l *lab) { l.Writable = func(string) error { return errors.New("read-only file system") } }, Fail, "GH-2002", "cannot be written: read-only file system"},
	{"ports", "a port that only root may have", func(l *lab) {
		l.Status, l.Listen = nil, func(context.Context, string) error {
			return &adminapi.Error{Code: "GH-2403", Message: "Cannot listen on :443 (bind: permission denied)."}
		}
	}, Fail, "GH-2403", "permission denied"},
	{"sandbox", "a program with the account of gatehouse", func(l *lab) { l.Config.Servers[1].Stdio.User = "" }, Warn, "GH-2424", "files reaches all that gatehouse does"},
	{"sandbox", "a kernel that keeps bwrap from working", func(l *lab) {
		l.Config.Servers[1].Stdio.Command = []string{"/usr/bin/bwrap", "files-server"}
		l.Switch = func(string) ([]byte, error) { return []byte("0\n"), nil }
	}, Fail, "GH-2424", "bwrap can make no sandbox for this account (/proc/sys/kernel/unprivileged_userns_clone is 0)"},
	{"sandbox", "a kernel that does not say whether bwrap works", func(l *lab) {
		l.Config.Servers[1].Stdio.Command = []string{"/usr/bin/bwrap", "files-server"}
		l.Switch = func(string) ([]byte, error) { return nil, errors.New("permission denied") }
	}, Unknown, "", "cannot be seen: permission denied"},
	{"sandbox", "programs that may use up all there is", func(l *lab) { l.Bounds = func(int) (Bounds, error) { return Bounds{}, nil } }, Warn, "GH-2424", "nothing bounds their memory, nor how many"},
	{"sandbox", "programs that may be as many as they like", func(l *lab) { l.Bounds = func(int) (Bounds, error) { return Bounds{Memory: 1 << 30}, nil } }, Warn, "GH-2424", "nothing bounds how many processes"},
	{"sandbox", "bounds that are not seen", func(l *lab) {
		l.Bounds = func(int) (Bounds, error) { return Bounds{}, errors.New("no control groups") }
	}, Unknown, "", "no control groups"},
}

func TestAllIsWellWithACMEToo(t *testing.T) {
	l := newLab(t).load().acmed()
	l.Config.Servers[1].Stdio.Command = []string{"bwrap", "files-server"}
	lines, err := Run(t.Context(), l.Machine, []string{"certificates", "clock", "sandbox"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range lines {
		if x.Outcome != OK {
			t.Errorf("%s: %s %s: %s", x.Group, x.Outcome, x.Code, x.Text)
		}
	}
	for _, want := range []string{"is valid until", "the CAA records of example.com let", "mcp.example.com:443 is reached", "mcp.example.com:80 is reached"} {
		if !slices.ContainsFunc(lines, func(x Line) bool { return strings.Contains(x.Text, want) }) {
			t.Errorf("nobody says %q: %+v", want, lines)
		}
	}
}

func TestWhomCAALetsIssue(t *testing.T) {
	us := []any{"letsencrypt.org", "le.example"}
	for name, tt := range map[string]struct {
		records []CAA
		wild    bool
		want    bool
	}{
		"us":                             {[]CAA{{"issue", "letsencrypt.org"}}, false, true},
		"us among others, in capitals":   {[]CAA{{"issue", "other.example"}, {"ISSUE", " LetsEncrypt.org ; accounturi=x"}}, false, true},
		"others":                         {[]CAA{{"issue", "other.example"}}, false, false},
		"nobody":                         {[]CAA{{"issue", ";"}}, false, false},
		"nobody, in few words":           {[]CAA{{"issue", ""}}, false, false},
		"no word about issuing":          {[]CAA{{"iodef", "mailto:a@b.example"}}, false, true},
		"a wildcard, by issue":           {[]CAA{{"issue", "letsencrypt.org"}}, true, true},
		"a wildcard, by issuewild":       {[]CAA{{"issue", "letsencrypt.org"}, {"issuewild", "other.example"}}, true, false},
		"a wildcard that is ours":        {[]CAA{{"issue", "other.example"}, {"issuewild", "le.example"}}, true, true},
		"no wildcard, though one may be": {[]CAA{{"issue", "other.example"}, {"issuewild", "le.example"}}, false, false},
		"only wildcards are spoken of":   {[]CAA{{"issuewild", ";"}}, false, true},
	} {
		if got := permitted(tt.records, us, tt.wild); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
