package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// hand is one keep-alive connection to an authorization server, and a browser's
// cookies.
type hand struct {
	address string
	nc      net.Conn
	in      *bufio.Reader
	cookies map[string]string
}

// reply is an answer, read to its end.
type reply struct {
	status   int
	location string
	body     []byte
}

// connect begins a new connection in place of an old one.
func (h *hand) connect(ctx context.Context) error {
	h.close()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.address)
	if err == nil {
		h.nc, h.in = nc, bufio.NewReaderSize(nc, 8192)
	}
	return err
}

func (h *hand) close() {
	if h.nc != nil {
		_ = h.nc.Close()
		h.nc = nil
	}
}

// do sends a request, and a form if there is one. auth is for Authorization.
func (h *hand) do(path string, form url.Values, auth string) (*reply, error) {
	var b strings.Builder
	method, body := http.MethodGet, ""
	if form != nil {
		method, body = http.MethodPost, form.Encode()
	}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, h.address)
	if auth != "" {
		fmt.Fprintf(&b, "Authorization: %s\r\n", auth)
	}
	if len(h.cookies) > 0 {
		b.WriteString("Cookie: ")
		sep := ""
		for name, value := range h.cookies {
			b.WriteString(sep + name + "=" + value)
			sep = "; "
		}
		b.WriteString("\r\n")
	}
	if form != nil {
		fmt.Fprintf(&b, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n", len(body))
		if !form.Has("grant_type") && !form.Has("token") { // it is a browser that sends it, not a program
			fmt.Fprintf(&b, "Origin: http://%s\r\nSec-Fetch-Site: same-origin\r\n", h.address)
		}
	}
	b.WriteString("\r\n" + body)
	if _, err := io.WriteString(h.nc, b.String()); err != nil {
		return nil, err
	}
	return h.read()
}

func (h *hand) read() (*reply, error) {
	res, err := http.ReadResponse(h.in, nil) //nolint:bodyclose // it is read to its end, and the connection is ours
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	for _, c := range res.Cookies() {
		if h.cookies[c.Name] = c.Value; c.MaxAge < 0 || c.Value == "" {
			delete(h.cookies, c.Name)
		}
	}
	return &reply{res.StatusCode, res.Header.Get("Location"), text}, nil
}

// A filler fills in the form of a page as a person does, and returns where it
// goes; empty: there is nothing to do.
type filler func(h *hand, at *url.URL, page string) (action string, form url.Values)

// visit goes from a path of the server's to the redirect URI of the client, and
// returns what that is told. Somebody whose session and consent are remembered
// gets there in one step.
func (h *hand) visit(path string, fill filler) (url.Values, error) {
	at, err := url.Parse("http://" + h.address + path)
	if err != nil {
		return nil, err
	}
	var form url.Values
	for range 20 {
		r, err := h.do(at.RequestURI(), form, "")
		if err != nil {
			return nil, err
		}
		next := r.location
		form = nil
		if next == "" || fill != nil && strings.HasPrefix(next, "/login/") { // zitadel's page, which nobody needs to look at
			next, form = fillIn(fill, h, at, next, string(r.body))
		}
		if next == "" {
			return nil, fmt.Errorf("%s: got %d and no way on: %.300s", at.Path, r.status, r.body)
		}
		if at, err = at.Parse(next); err != nil {
			return nil, err
		}
		if at.Host != h.address {
			return at.Query(), nil
		}
	}
	return nil, errors.New("too many steps")
}

func fillIn(fill filler, h *hand, at *url.URL, next, page string) (string, url.Values) {
	if fill == nil {
		return "", nil
	}
	if next != "" {
		to, err := at.Parse(next)
		if err != nil {
			return "", nil
		}
		at = to
	}
	return fill(h, at, page)
}
