package main

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/internal/clients"
	"github.com/gatehouse-mcp/gatehouse/internal/proxy"
)

// proxies are those that lead to servers elsewhere: the one that is named, or as the
// environment says. One that cannot be read is an error when it would lead to a server.
func (a *app) proxies(named string, servers ...string) (*proxy.Settings, error) {
	getenv := a.getenv
	if named != "" {
		if strings.Contains(named, "@") { // it is not repeated: a password may be in it
			return nil, usage("--proxy takes no name and password, which others could see in the list of processes: set HTTPS_PROXY")
		}
		getenv = func(name string) string {
			if strings.EqualFold(name, "NO_PROXY") {
				return a.getenv(name)
			}
			return map[string]string{"https_proxy": named, "http_proxy": named}[name]
		}
	}
	s := proxy.FromEnvironment(getenv)
	if named != "" && s.Wrong() != nil {
		return nil, usage("--proxy %.100q is no address of a proxy, such as http://proxy.example.com:3128", named)
	}
	for _, server := range servers {
		u, err := url.Parse(server)
		if err != nil {
			continue // whoever goes there says it
		}
		if _, err := s.For(u); err != nil {
			return nil, &fault{exitUsage, "GH-2246", sentence(err.Error())}
		}
	}
	return s, nil
}

// byProxy has the bridge of a client find the proxy that leads to the server from here:
// many clients hand nothing of the environment on.
func (p *plan) byProxy(a *app) error {
	if p.server.Way != clients.ByBridge || p.project { // whose other users may have none
		return nil
	}
	s, err := a.proxies("", p.server.URL)
	if err != nil {
		return err
	}
	u, err := url.Parse(p.server.URL)
	if err != nil {
		return err
	}
	via, err := s.For(u)
	switch {
	case via == nil || err != nil:
		return err
	case via.User != nil:
		p.warnings = append(p.warnings, fmt.Sprintf("The proxy %s wants a password, which is put into no file: if %s hands HTTPS_PROXY on to nobody, put it into the environment of the entry.", via.Host, p.client.Name))
	default:
		p.server.Line = append(p.server.Line, "--proxy", via.String())
	}
	return nil
}
