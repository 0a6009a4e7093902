package probe

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// kind is what an answer shows.
type kind int

// The kinds of answers.
const (
	silent     kind = iota // there was none
	served                 // the MCP server did what it was asked, or said that it cannot
	spoke                  // the MCP server objects to the form: the request came as far as it
	challenged             // 401
	saidNo                 // a refusal in the body of an answer that is none, such as 200
	forbidden              // 403
	limited                // 429
	redirected             // 3xx
	page                   // a web page where none should be
	bot                    // a page or a refusal that wants to see a browser
	absent                 // 404, 405, 410, 501
	malformed              // another 4xx, from whomever
	broken                 // 5xx
	strange                // 2xx that is no answer of an MCP server
)

// means says what a kind is, for a person.
func (k kind) String() string {
	return [...]string{
		"no answer", "an MCP server's answer", "an MCP server's objection", "401", "a refusal in the body", "403", "429", "a redirect",
		"a web page", "a challenge for browsers", "not there", "a refusal of its form", "a failure", "something that is not MCP",
	}[k]
}

// rpc is what is read of a JSON-RPC answer.
type rpc struct {
	Version string         `json:"jsonrpc"`
	ID      jsontext.Value `json:"id"`
	Result  jsontext.Value `json:"result"`
	Error   *rpcError      `json:"error"`
}

type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// answer reads the JSON-RPC answer in a body or a stream; nil: there is none.
func (x *Exchange) answer() *rpc {
	read := func(text []byte) *rpc {
		var a rpc
		// By its exact names; twice the same, or a wrong character, is for others to judge.
		if json.Unmarshal(text, &a, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil || a.Version != "2.0" || a.Result == nil && a.Error == nil {
			return nil
		}
		return &a
	}
	if x.media() != "text/event-stream" {
		return read(x.Answer)
	}
	events := mcp.NewEventReader(strings.NewReader(string(x.Answer)), maxAnswer)
	for {
		e, err := events.Next()
		if a := read(e.Data); err == nil && a != nil {
			return a
		}
		if err != nil {
			return nil
		}
	}
}

// kind judges the answer to a message of MCP, or to a request for a stream. A
// status alone proves nothing: there are servers that say 200 to everything.
func (x *Exchange) kind() kind {
	switch s := x.Status; {
	case s == 0:
		return silent
	case x.wantsBrowser():
		return bot
	case s == http.StatusUnauthorized:
		return challenged
	case s == http.StatusTooManyRequests:
		return limited
	case s >= 300 && s < 400:
		return redirected
	case s == http.StatusForbidden:
		return forbidden
	case s >= 500 && s != http.StatusNotImplemented:
		return broken
	case s >= 400:
		return x.objection()
	}
	return x.success()
}

// objection judges a 4xx.
func (x *Exchange) objection() kind {
	if a := x.answer(); a != nil {
		if a.Error != nil && unauthorized(a.Error) {
			return saidNo
		}
		return spoke
	}
	switch x.Status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented:
		return absent
	}
	return malformed
}

// success judges a 2xx.
func (x *Exchange) success() kind {
	switch a := x.answer(); {
	case a != nil && a.Error != nil && unauthorized(a.Error):
		return saidNo
	case a != nil && (a.Error != nil || string(a.ID) == `"`+messageID+`"`): // a result is to our own question
		return served
	case x.html():
		return page
	case x.media() == "text/event-stream": // open, whether or not it says something
		return served
	case x.Status == http.StatusAccepted && x.Method == http.MethodPost && len(x.Answer) == 0:
		return served // a notification was taken
	}
	var o struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(x.Answer, &o) == nil && o.Error != "" && unauthorized(&rpcError{Message: o.Error}) {
		return saidNo
	}
	return strange
}

// unauthorized says whether an error of JSON-RPC means that a credential is
// missing. There is no code for that: some take −32001, others are in words.
func unauthorized(e *rpcError) bool {
	text := strings.ToLower(e.Message)
	for _, w := range [...]string{"unauthor", "unauthenticat", "authenticat", "authoriz", "credential", "access token", "bearer", "api key", "api-key", "forbidden", "invalid_token", "login", "log in", "sign in"} {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

// wantsBrowser recognises what stands in front of a server and lets only browsers
// through: its answer says nothing about the server.
func (x *Exchange) wantsBrowser() bool {
	h := x.Header
	if h.Get("Cf-Mitigated") != "" || h.Get("X-Datadome") != "" || h.Get("X-Amzn-Waf-Action") != "" || h.Get("X-Sucuri-Block") != "" {
		return true
	}
	if !x.html() || x.Status == http.StatusUnauthorized {
		return false
	}
	text := strings.ToLower(string(x.Answer))
	for _, w := range [...]string{"just a moment...", "cf-challenge", "challenge-platform", "attention required! | cloudflare", "captcha", "_incapsula_", "enable javascript and cookies", "px-captcha", "akamai-bot"} {
		if strings.Contains(text, w) {
			return true
		}
	}
	return x.Status == http.StatusForbidden && strings.Contains(strings.ToLower(h.Get("Server")), "cloudflare")
}

// refusesAll says whether a kind of answer lets nobody in.
func (k kind) refuses() bool { return k == challenged || k == forbidden || k == saidNo }
