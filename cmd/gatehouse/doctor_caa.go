package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/gatehouse-mcp/gatehouse/internal/doctor"
)

// caaRecords asks the name server of this machine for the CAA records of just one
// name: the resolver of Go knows no such records. RFC 8659
func caaRecords(ctx context.Context, name string) ([]doctor.CAA, error) {
	c, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err != nil {
		return nil, err
	}
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeCAA)
	for _, server := range c.Servers {
		at := net.JoinHostPort(server, c.Port)
		var a *dns.Msg
		a, _, err = (&dns.Client{Timeout: 3 * time.Second}).ExchangeContext(ctx, q, at)
		if err == nil && a.Truncated {
			a, _, err = (&dns.Client{Net: "tcp", Timeout: 3 * time.Second}).ExchangeContext(ctx, q, at)
		}
		switch {
		case err != nil:
			continue
		case a.Rcode != dns.RcodeSuccess && a.Rcode != dns.RcodeNameError:
			err = fmt.Errorf("%s answers %s", server, dns.RcodeToString[a.Rcode])
			continue
		}
		var all []doctor.CAA
		for _, one := range a.Answer { // of an alias, its own are those of where it leads
			if r, ok := one.(*dns.CAA); ok {
				all = append(all, doctor.CAA{Tag: r.Tag, Value: r.Value})
			}
		}
		return all, nil
	}
	if err == nil {
		err = fmt.Errorf("/etc/resolv.conf names no server")
	}
	return nil, err
}
