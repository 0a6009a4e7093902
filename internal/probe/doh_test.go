package probe

import (
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// question is what the tests of answers ask.
func question(t testing.TB) dnsmessage.Question {
	t.Helper()
	q, err := dnsQuestion("mcp.example.com", dnsmessage.TypeA)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestAnswersOfResolvers has only an answer to the question count, and what a
// resolver could not find out is nothing that it found.
func TestAnswersOfResolvers(t *testing.T) {
	t.Parallel()
	q := question(t)
	good := func() dnsmessage.Message {
		return dnsmessage.Message{
			Header: dnsmessage.Header{Response: true}, Questions: []dnsmessage.Question{q},
			Answers: []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte{93, 184, 215, 14}}}},
		}
	}
	other := q
	other.Name = dnsmessage.MustNewName("other.example.com.")
	six := q
	six.Type = dnsmessage.TypeAAAA
	tests := map[string]struct {
		change func(*dnsmessage.Message)
		want   int  // addresses
		bad    bool // it is no answer
	}{
		"an address":            {func(*dnsmessage.Message) {}, 1, false},
		"in capitals":           {func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("MCP.example.com.") }, 1, false},
		"no such name":          {func(m *dnsmessage.Message) { m.RCode, m.Answers = dnsmessage.RCodeNameError, nil }, 0, false},
		"no address":            {func(m *dnsmessage.Message) { m.Answers = nil }, 0, false},
		"a failure":             {func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeServerFailure }, 0, true},
		"a refusal":             {func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused }, 0, true},
		"cut":                   {func(m *dnsmessage.Message) { m.Truncated = true }, 0, true},
		"a question":            {func(m *dnsmessage.Message) { m.Response = false }, 0, true},
		"about another name":    {func(m *dnsmessage.Message) { m.Questions[0] = other }, 0, true},
		"about another type":    {func(m *dnsmessage.Message) { m.Questions[0] = six }, 0, true},
		"about nothing":         {func(m *dnsmessage.Message) { m.Questions = nil }, 0, true},
		"about two":             {func(m *dnsmessage.Message) { m.Questions = append(m.Questions, other) }, 0, true},
		"the same again, twice": {func(m *dnsmessage.Message) { m.Answers = append(m.Answers, m.Answers[0]) }, 1, false},
	}
	for name, tt := range tests {
		m := good()
		tt.change(&m)
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		got, err := dnsAnswer(wire, q)
		if len(got) != tt.want || (err != nil) != tt.bad {
			t.Errorf("%s: got %v, %v, want %d addresses, an error: %t", name, got, err, tt.want, tt.bad)
		}
	}
}

// FuzzAnswersOfResolvers has nothing that a resolver says be more than a list of addresses, or an error.
func FuzzAnswersOfResolvers(f *testing.F) {
	q := question(f)
	for _, m := range []dnsmessage.Message{
		{Header: dnsmessage.Header{Response: true}, Questions: []dnsmessage.Question{q}},
		{Header: dnsmessage.Header{Response: true, RCode: dnsmessage.RCodeNameError}, Questions: []dnsmessage.Question{q}},
	} {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte{10, 0, 0, 1}}}}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		got, err := dnsAnswer(wire, q)
		if err != nil && got != nil || len(got) > maxAddresses {
			t.Errorf("got %v, %v", got, err)
		}
		for _, ip := range got {
			if !ip.IsValid() {
				t.Errorf("got %v", got)
			}
		}
	})
}

// TestResolversThatDoNotSay has a resolver that answers with something else known for that, not for an answer.
func TestResolversThatDoNotSay(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"a redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/")
			w.WriteHeader(http.StatusFound)
		},
		"a failure": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/dns-message")
			_, _ = w.Write(make([]byte, maxDNS+1))
		},
	} {
		h := newHouse(t)
		s := httptest.NewTLSServer(answer)
		t.Cleanup(s.Close)
		o := given(t, h)
		o.Resolvers, o.Only = []string{s.URL}, []string{publicNameRule.Code}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Results[0]; got.Outcome != Unknown || !strings.Contains(got.Text, "no public resolver answered: 127.0.0.1:") {
			t.Errorf("%s: got %s: %s, want unknown", name, got.Outcome, got.Text)
		}
	}
}

// TestAddressesThatAreGiven reads what --resolve takes, and looks at the server there.
func TestAddressesThatAreGiven(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"mcp.example.com:443:203.0.113.9": "mcp.example.com:443 203.0.113.9", "MCP.example.com:8443:[2001:db8::9]": "mcp.example.com:8443 2001:db8::9",
		"münchen.example:443:2001:db8::9": "xn--mnchen-3ya.example:443 2001:db8::9",
		"":                                "", "mcp.example.com:443": "", "mcp.example.com::203.0.113.9": "", ":443:203.0.113.9": "", "mcp.example.com:0:203.0.113.9": "",
		"mcp.example.com:443:other.example.com": "", "mcp.example.com:99999:203.0.113.9": "", "[::1]:443:203.0.113.9": "", "a/b:443:203.0.113.9": "",
	} {
		got := ""
		all, err := fixedAddresses([]string{text})
		for at, ip := range all {
			got = at + " " + ip.String()
		}
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
	if _, err := fixedAddresses([]string{"a:1:192.0.2.1", "A:1:192.0.2.2"}); err == nil {
		t.Error("two addresses of one name were taken")
	}
	h := newHouse(t)
	o := h.options()
	o.Transport = nil
	address, port, _ := net.SplitHostPort(h.server.Listener.Addr().String())
	o.URL = "https://example.com:" + port + "/mcp"
	o.Resolve, o.Only = []string{"example.com:" + port + ":" + address}, []string{certificate.Code, websocket.Code}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Results {
		if res.Outcome != Pass {
			t.Errorf("%s: got %s: %s, want pass", res.Rule.Name, res.Outcome, res.Text)
		}
	}
}

// FuzzAddressesThatAreGiven has what is taken be an address of a host and a port.
func FuzzAddressesThatAreGiven(f *testing.F) {
	f.Add("mcp.example.com:443:203.0.113.9")
	f.Add("mcp.example.com:443:[2001:db8::9]")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := fixedAddresses([]string{text})
		for at, ip := range all {
			host, port, cut := net.SplitHostPort(at)
			if err != nil || cut != nil || host == "" || port == "" || !ip.IsValid() {
				t.Errorf("%q: got %q %v, %v", text, at, ip, err)
			}
		}
	})
}

// TestPointsOfView refuses what cannot be asked for together.
func TestPointsOfView(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"another":               {From: "moon"},
		"resolvers without":     {Resolvers: PublicResolvers()},
		"addresses beside":      {From: Public, Resolve: []string{"example.com:443:192.0.2.1"}},
		"a resolver in plain":   {From: Public, Resolvers: []string{"http://1.1.1.1/dns-query"}},
		"a resolver by name":    {From: Public, Resolvers: []string{"1.1.1.1"}},
		"a resolver with a key": {From: Public, Resolvers: []string{"https://me:secret@1.1.1.1/"}},
		"no address":            {Resolve: []string{"example.com:443"}},
	} {
		o.URL = houseURL
		if _, err := Run(t.Context(), o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
}

// TestTunnels recognises that packets leave by a tunnel.
func TestTunnels(t *testing.T) {
	t.Parallel()
	all := []net.Interface{{Name: "eth0"}, {Name: "wg0", Flags: net.FlagPointToPoint}}
	addresses := func(i *net.Interface) ([]net.Addr, error) {
		ip := map[string]net.IP{"eth0": net.IPv4(192, 0, 2, 1), "wg0": net.IPv4(10, 8, 0, 2)}[i.Name]
		return []net.Addr{&net.IPNet{IP: ip, Mask: net.CIDRMask(24, 32)}}, nil
	}
	for from, want := range map[string]string{"192.0.2.1": "", "10.8.0.2": "wg0", "::ffff:10.8.0.2": "wg0"} {
		if got := tunnelOf(netip.MustParseAddr(from), all, addresses); got != want {
			t.Errorf("%s: got %q, want %q", from, got, want)
		}
	}
}

// TestEverybodysAuthorities has the list in the program be read.
func TestEverybodysAuthorities(t *testing.T) {
	t.Parallel()
	if everybodys().Equal(x509.NewCertPool()) {
		t.Error("there are none")
	}
}
