package gatehouse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// refusal returns the refusal in an error, if it is one that can be answered: a
// nil pointer, or a status that is no refusal's, would let somebody in.
func refusal(err error) (*Error, bool) {
	var e *Error
	if !errors.As(err, &e) || e == nil || e.Status < 400 || e.Status > 599 {
		return nil, false
	}
	return e, true
}

// refuse answers with an error: the one place where that happens. message is
// the JSON-RPC request that is refused, if it was read.
func (d *door) refuse(w http.ResponseWriter, err error, message *mcp.Message) {
	var rpc *mcp.Error
	if errors.As(err, &rpc) && rpc != nil {
		d.answer(w, rpc.Status, rpc.JSON())
		return
	}
	e, ok := refusal(err)
	if !ok {
		e = &Error{
			Code: "GH-1901", Status: http.StatusInternalServerError, Cause: err,
			Description: "Something went wrong here. The server's log tells what.",
		}
	}
	d.note(e)
	d.challenge(w.Header(), e)
	if message != nil {
		code := -32600
		if e.Status >= http.StatusInternalServerError {
			code = -32603
		}
		d.answer(w, e.Status, (&mcp.Error{Code: code, Message: e.Description, ID: message.ID, Data: map[string]string{"code": e.Code}}).JSON())
		return
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // "<key>" is for people, and no browser takes this for a page
	_ = enc.Encode(struct {  // strings can always be encoded
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Code        string `json:"code"`
	}{slug(e), e.Description, e.Code})
	d.answer(w, e.Status, bytes.TrimSpace(body.Bytes()))
}

func (d *door) answer(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // nobody is left to tell
}

// challenge says what would help: which scopes to ask for, and where the
// metadata is. A 401 always has one. RFC 9110 §15.5.2, RFC 9728 §5.1
func (d *door) challenge(h http.Header, e *Error) {
	if e.Challenge == nil && e.Status != http.StatusUnauthorized {
		return
	}
	var c Challenge // a copy: the refusal may be shared by many requests
	if e.Challenge != nil {
		c = *e.Challenge
	}
	if c.Scope == "" && e.Status == http.StatusUnauthorized {
		c.Scope = d.scope
	}
	if c.ResourceMetadata == "" {
		c.ResourceMetadata = d.metadataURL
	}
	h.Set("WWW-Authenticate", c.String())
	if c.Nonce != "" {
		h.Set("DPoP-Nonce", c.Nonce)
	}
}

// slug is the error member of a refusal. RFC 6750 §3.1
func slug(e *Error) string {
	switch {
	case e.Challenge != nil && e.Challenge.Error != "":
		return e.Challenge.Error
	case e.Status == http.StatusUnauthorized:
		return "unauthorized"
	case e.Status >= http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request"
}

// note writes down what the caller is not told.
func (d *door) note(e *Error) {
	log, level := d.resource.Log, slog.LevelDebug
	if log == nil {
		log = slog.Default()
	}
	if e.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("code", e.Code), slog.String("refused", e.Description)}
	if e.Cause != nil {
		attrs = append(attrs, slog.String("cause", e.Cause.Error()))
	}
	log.LogAttrs(context.Background(), level, "request refused", attrs...)
}
