package mcp

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Codes of JSON-RPC errors. JSON-RPC 2.0 §5.1; MCP 2026-07-28 for the rest
const (
	CodeParseError         = -32700 // not JSON, or JSON that two readers may read differently
	CodeInvalidRequest     = -32600 // JSON, but no message that may be sent
	CodeMethodNotFound     = -32601
	CodeInvalidParams      = -32602 // the method's parameters or its _meta
	CodeInternalError      = -32603
	CodeHeaderMismatch     = -32020 // a mirrored header is missing, malformed or says something else than the body
	CodeUnsupportedVersion = -32022
)

// Error is a refusal that the caller may see, a JSON-RPC error response.
type Error struct {
	Status  int    // of the HTTP answer
	Code    int    // of the JSON-RPC error
	Message string // one sentence, safe for strangers
	ID      []byte // raw JSON of the request's id; nil: not known
	Data    any    // error.data, marshalled by encoding/json; nil: none
	Cause   error  // the full story, for the log only; may be nil
}

// Error returns the code and the sentence.
func (e *Error) Error() string { return strconv.Itoa(e.Code) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// JSON returns the response's body. An unknown id is null. JSON-RPC 2.0 §5
func (e *Error) JSON() []byte {
	b := append(make([]byte, 0, 128+len(e.Message)), `{"jsonrpc":"2.0","id":`...)
	if e.ID == nil {
		b = append(b, "null"...)
	} else {
		b = append(b, e.ID...)
	}
	b = append(b, `,"error":{"code":`...)
	b = strconv.AppendInt(b, int64(e.Code), 10)
	b = append(b, `,"message":`...)
	b, _ = jsontext.AppendQuote(b, e.Message) // its only error is invalid UTF-8, which it replaces
	if e.Data != nil {
		if data, err := json.Marshal(e.Data); err == nil {
			b = append(append(b, `,"data":`...), data...)
		}
	}
	return append(b, "}}"...)
}

func refuse(code int, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: message}
}

// versions is the data of an unsupported version's error. MCP 2026-07-28, SEP-2575
type versions struct {
	Supported []string `json:"supported"`
	Requested string   `json:"requested"`
}

func unsupported(requested string) *Error {
	const long = 128 // no version is; what is longer is not worth repeating
	if len(requested) > long {
		requested = requested[:long]
	}
	e := refuse(CodeUnsupportedVersion, "Unsupported protocol version.")
	e.Data = versions{
		Supported: []string{Version20260728, Version20251125, Version20250618, Version20250326, Version20241105},
		Requested: requested,
	}
	return e
}
