package bridge

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// message is one message of the client.
type message struct {
	mcp.Envelope
	raw    []byte
	params params
	of     int // the session that it is of, or was sent in last; 0: any
}

// params is what is read of the parameters.
type params struct {
	Name      jsontext.Value            `json:"name"`
	URI       jsontext.Value            `json:"uri"`
	Version   jsontext.Value            `json:"protocolVersion"`
	Arguments jsontext.Value            `json:"arguments"`
	Meta      map[string]jsontext.Value `json:"_meta"`
}

const metaVersion = "io.modelcontextprotocol/protocolVersion"

func readMessage(raw []byte) (*message, error) {
	e, err := mcp.Peek(raw)
	if err != nil {
		return nil, err
	}
	m := &message{Envelope: e, raw: raw}
	if e.Params != nil {
		if err := json.Unmarshal(e.Params, &m.params); err != nil {
			m.params = params{} // another shape: the server says what it thinks of it
		}
	}
	return m, nil
}

// text returns a string's value; empty: it is none.
func text(v jsontext.Value) string {
	var s string
	if v.Kind() != '"' || json.Unmarshal(v, &s) != nil {
		return ""
	}
	return s
}

// version is the revision that a message says it is of; empty: it does not, so it
// is of a conversation that initialize began.
func (m *message) version() string { return text(m.params.Meta[metaVersion]) }

// name is what the message is about, for the header Mcp-Name; empty: nothing.
func (m *message) name() string {
	switch m.Method {
	case "tools/call", "prompts/get":
		return text(m.params.Name)
	case "resources/read":
		return text(m.params.URI)
	}
	return ""
}

// harmless says whether a message may reach the server twice, whatever the server: it
// only asks, or sets what was set. An answer is one to the same question. A client's
// notification tells of a change, which is no other when it is told again.
func (m *message) harmless() bool {
	switch m.Kind {
	case mcp.Response:
		return true
	case mcp.Notification:
		return strings.HasPrefix(m.Method, "notifications/")
	}
	switch m.Method {
	case "ping", "server/discover", "tools/list", "prompts/list", "prompts/get", "resources/list", "resources/templates/list", "resources/read",
		"completion/complete", "subscriptions/listen", "initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
		"tasks/get", "tasks/list", "tasks/result":
		return true
	}
	return false
}

// ours is a message of the bridge's own, which is well formed.
func ours(raw string) *message {
	m, err := readMessage([]byte(raw))
	if err != nil {
		panic(err)
	}
	return m
}

var errLineTooLong = errors.New("line is too long")

// lineReader reads lines of a bounded length; what is longer is passed over.
type lineReader struct {
	src *bufio.Reader
	max int
}

func newLineReader(src io.Reader, max int) *lineReader {
	return &lineReader{src: bufio.NewReaderSize(src, 64<<10), max: max}
}

// next returns the next line without its end.
func (r *lineReader) next() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.src.ReadSlice('\n')
		if !long && len(line)+len(part) > r.max {
			long, line = true, nil
		}
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && len(line) == 0 && !long:
			return nil, err
		case long:
			return nil, errLineTooLong
		}
		return line, nil // the end of the file ends a line too
	}
}
