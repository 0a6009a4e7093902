package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/idna"
)

// PublicResolvers are asked what the internet is told, unless others are named.
// They are two companies' that answer everybody and leave nothing out, and are
// named by address, so that no resolver of this network has a say in it.
func PublicResolvers() []string {
	return []string{"https://1.1.1.1/dns-query", "https://8.8.8.8/dns-query"}
}

const (
	maxDNS       = 64 << 10 // bytes of an answer. RFC 8484 §6
	maxAddresses = 32       // of one name that are looked at
)

// resolver asks one server for DNS over HTTPS. RFC 8484
type resolver struct {
	url    string
	client *http.Client
}

// newResolver reads the URL of a resolver.
func newResolver(at string, o *Options, roots *x509.CertPool) (*resolver, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("%.200q is no URL of a resolver, as in https://1.1.1.1/dns-query", (&mask{}).text(at))
	}
	way := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSHandshakeTimeout: o.Wait, ResponseHeaderTimeout: o.Wait, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
	return &resolver{url: at, client: &http.Client{
		Timeout:       o.Wait,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     o.Proxy.Transport(way),
	}}, nil
}

// name is how people know a resolver.
func (d *resolver) name() string { return hostOf(d.url) }

// lookup returns the addresses that the internet is told, IPv4 first. None and no
// error: there are none.
func (d *resolver) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	var all []netip.Addr
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		some, err := d.ask(ctx, host, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (d *resolver) ask(ctx context.Context, host string, kind dnsmessage.Type) ([]netip.Addr, error) {
	question, err := dnsQuestion(host, kind)
	if err != nil {
		return nil, err
	}
	wire, err := (&dnsmessage.Message{Header: dnsmessage.Header{RecursionDesired: true}, Questions: []dnsmessage.Question{question}}).Pack() // an id of 0. RFC 8484 §4.1
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", host, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url, bytes.NewReader(wire))
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", host, err)
	}
	r.Header.Set("Content-Type", "application/dns-message")
	r.Header.Set("Accept", "application/dns-message")
	res, err := d.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDNS+1))
	media, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", res.StatusCode)
	case strings.TrimSpace(media) != "application/dns-message" || len(body) > maxDNS:
		return nil, fmt.Errorf("what it says is no DNS message")
	}
	return dnsAnswer(body, question)
}

// dnsQuestion asks for a host as it is, whatever this network would append.
func dnsQuestion(host string, kind dnsmessage.Type) (dnsmessage.Question, error) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
	if err != nil {
		return dnsmessage.Question{}, fmt.Errorf("%.100q is no name: %w", host, err)
	}
	name, err := dnsmessage.NewName(ascii + ".")
	if err != nil {
		return dnsmessage.Question{}, fmt.Errorf("%.100q is no name: %w", host, err)
	}
	return dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}, nil
}

// dnsAnswer reads the addresses in an answer. That there is no such name, or none
// of its kind, is an answer; that the resolver could not find out is an error.
func dnsAnswer(body []byte, question dnsmessage.Question) ([]netip.Addr, error) {
	var p dnsmessage.Parser
	head, err := p.Start(body)
	if err != nil {
		return nil, fmt.Errorf("what it says is no DNS message: %w", err)
	}
	asked, err := p.AllQuestions()
	switch {
	case err != nil:
		return nil, fmt.Errorf("what it says is no DNS message: %w", err)
	case !head.Response || head.Truncated || len(asked) != 1 || asked[0].Type != question.Type || !strings.EqualFold(asked[0].Name.String(), question.Name.String()):
		return nil, fmt.Errorf("what it says is no answer to the question")
	case head.RCode == dnsmessage.RCodeNameError:
		return nil, nil
	case head.RCode != dnsmessage.RCodeSuccess:
		return nil, fmt.Errorf("it could not find out (%s)", strings.TrimPrefix(head.RCode.String(), "RCode"))
	}
	return dnsAddresses(&p)
}

func dnsAddresses(p *dnsmessage.Parser) (all []netip.Addr, err error) {
	answers, err := p.AllAnswers()
	if err != nil {
		return nil, fmt.Errorf("what it says is no DNS message: %w", err)
	}
	for _, a := range answers { // those of the aliases on the way are in it too
		var ip netip.Addr
		switch b := a.Body.(type) {
		case *dnsmessage.AResource:
			ip = netip.AddrFrom4(b.A)
		case *dnsmessage.AAAAResource:
			ip = netip.AddrFrom16(b.AAAA).Unmap()
		default:
			continue
		}
		if len(all) < maxAddresses && !slices.Contains(all, ip) {
			all = append(all, ip)
		}
	}
	return all, nil
}

// everybodys are the certificate authorities that clients everywhere know:
// Mozilla's list, whatever a company has installed on this machine.
func everybodys() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		c, err := x509.ParseCertificate(root.Certificate)
		switch {
		case err != nil:
		case root.Constraint != nil:
			pool.AddCertWithConstraint(c, root.Constraint)
		default:
			pool.AddCert(c)
		}
	}
	return pool
}
