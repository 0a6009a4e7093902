package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// Addresses that names in the house's world have.
const (
	public4, public4b = "93.184.215.14", "93.184.215.15"
	public6           = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
	inside4           = "10.0.3.7"
)

// told is what the internet is told of each name.
func (h *house) told(name string) []string {
	switch name {
	case "id.inside.example.":
		return []string{"100.64.1.2"}
	case "example.com.":
	default:
		return nil
	}
	switch {
	case h.faults["name inside"], h.faults["name of nobody"]:
		return nil
	case h.faults["name private"]:
		return []string{inside4}
	case h.faults["name also private"]:
		return []string{public4, inside4}
	case h.faults["many addresses"]:
		all := []string{}
		for i := range maxTried + 1 {
			all = append(all, fmt.Sprintf("93.184.215.%d", i))
		}
		return all
	case h.faults["IPv6 only"]:
		return []string{public6}
	case h.faults["dead address"]:
		return []string{public4, public4b}
	}
	return []string{public4, public6}
}

// publicProofs are about what only the internet's point of view shows.
func publicProofs() []proof {
	return []proof{
		{publicNameRule, "name inside", Fail}, {publicNameRule, "name private", Fail}, {publicNameRule, "name also private", Fail},
		{publicNameRule, "name of nobody", Fail}, {publicNameRule, "IPv6 only", Warn}, {publicNameRule, "resolvers disagree", Warn}, {publicNameRule, "no resolver", Unknown},
		{publicAddresses, "dead address", Warn}, {publicAddresses, "all dead", Unknown}, {publicAddresses, "many addresses", Unknown}, {publicAddresses, "no IPv6 here", Unknown}, {publicAddresses, "name private", Unknown},
		{publicCertificate, "own authority", Fail}, {publicCertificate, "certificate over", Fail}, {publicCertificate, "all dead", Unknown}, {publicCertificate, "name private", Unknown},
		{publicIssuer, "issuer inside", Fail}, {publicIssuer, "issuer of nobody", Fail}, {publicIssuer, "token endpoint inside", Fail},
		{publicIssuer, "issuer without metadata", Unknown}, {publicIssuer, "issuer without a host", Unknown},
		{publicReach, "bot protection", Warn},
	}
}

// toldTo has the options see the house as the internet does.
func (h *house) toldTo(t *testing.T, o *Options) {
	t.Helper()
	o.From, o.PublicRoots = Public, o.Roots
	o.Resolvers = []string{resolverOf(t, h.told)}
	switch {
	case h.faults["no resolver"]:
		o.Resolvers = []string{"https://127.0.0.1:1/dns-query"}
	case h.faults["resolvers disagree"]:
		o.Resolvers = append(o.Resolvers, resolverOf(t, func(string) []string { return nil }))
	case h.faults["own authority"]:
		o.PublicRoots = x509.NewCertPool()
	}
	o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
		if h.faults["name of nobody"] {
			return nil, errors.New("no such host")
		}
		return []netip.Addr{netip.MustParseAddr(inside4)}, nil
	}
	before := o.Transport
	o.Transport = func(way *http.Transport) {
		before(way)
		next := way.DialContext
		way.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			ip, _, _ := net.SplitHostPort(addr)
			if h.faults["all dead"] || h.faults["dead address"] && ip == public4b || h.faults["no IPv6 here"] && ip == public6 {
				return nil, errors.New("connection refused")
			}
			return next(ctx, network, addr)
		}
	}
}

// resolverOf answers DNS over HTTPS.
func resolverOf(t *testing.T, told func(name string) []string) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxDNS))
		var m dnsmessage.Message
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/dns-message" || m.Unpack(body) != nil || len(m.Questions) != 1 || m.ID != 0 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/dns-message")
		_, _ = w.Write(dnsReply(t, m, told(m.Questions[0].Name.String())))
	}))
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL + "/dns-query"
}

// dnsReply answers by way of an alias, as most names do.
func dnsReply(t *testing.T, m dnsmessage.Message, told []string) []byte {
	t.Helper()
	q := m.Questions[0]
	m.Response = true
	if told == nil {
		m.RCode = dnsmessage.RCodeNameError
	}
	alias := dnsmessage.MustNewName("edge.example.net.")
	m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.CNAMEResource{CNAME: alias}})
	for _, text := range told {
		ip := netip.MustParseAddr(text)
		head := dnsmessage.ResourceHeader{Name: alias, Class: q.Class}
		switch {
		case ip.Is4() && q.Type == dnsmessage.TypeA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AResource{A: ip.As4()}})
		case ip.Is6() && q.Type == dnsmessage.TypeAAAA:
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
		}
	}
	wire, err := m.Pack()
	if err != nil {
		t.Error(err)
	}
	return wire
}

// TestNoAddressOfThisNetworkIsTaken has a check from the internet's point of view
// connect to the addresses that public resolvers know, and to nothing that this machine knows.
func TestNoAddressOfThisNetworkIsTaken(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]string{"split": "", "private": "name private", "inside": "name inside"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, fault)
			o := given(t, h)
			o.Only = []string{encrypted.Code, certificate.Code, demanded.Code, websocket.Code, publicAddresses.Code, publicReach.Code}
			before, dialled := o.Transport, make(chan string, 1000)
			o.Transport = func(way *http.Transport) {
				before(way)
				next := way.DialContext
				way.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					dialled <- addr
					return next(ctx, network, addr)
				}
			}
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			close(dialled)
			n := 0
			for addr := range dialled {
				n++
				if !strings.HasPrefix(addr, public4+":") && !strings.HasPrefix(addr, "["+public6+"]:") {
					t.Errorf("connected to %s", addr)
				}
			}
			for _, res := range r.Results {
				if res.Rule == encrypted && name != "split" { // nobody was asked
					wantResult(t, res, Unknown)
				}
			}
			if split := name == "split"; split != (n > 0) || split != r.Answered {
				t.Errorf("%d connections, answered %t", n, r.Answered)
			}
		})
	}
}

// TestHostedClientsDoNotGetInside has what only the internet's point of view shows count for clients that connect from there.
func TestHostedClientsDoNotGetInside(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"name private", "own authority", "issuer inside"} {
		h := newHouse(t, fault)
		o := given(t, h)
		o.Register, o.Burst, o.Keys, o.Budget = false, false, nil, 1000
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range r.Clients {
			hosted := c.Client == "ChatGPT" || strings.HasPrefix(c.Client, "Claude (")
			if got := strings.HasPrefix(c.Text, "it connects from the internet: "); got != hosted || hosted && c.Outcome != Fail {
				t.Errorf("%s: %s: got %s: %s", fault, c.Client, c.Outcome, c.Text)
			}
		}
	}
}

// TestNoProxyLooksNamesUp has a check at given addresses leave out the proxy: it would decide by itself where the name leads.
func TestNoProxyLooksNamesUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	o := given(t, h)
	plain := between(t, &o, "127.0.0.1:1") // whoever goes by the proxy gets nowhere
	o.Only = []string{certificate.Code, demanded.Code, publicNameRule.Code, publicCertificate.Code, websocket.Code}
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range r.Results {
		if res.Outcome != Pass || plain.Load() != 0 {
			t.Errorf("%s: got %s: %s, want pass", res.Rule.Name, res.Outcome, res.Text)
		}
	}
}
