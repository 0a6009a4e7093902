package bridge

import (
	"bytes"
	"errors"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/internal/mcp"
)

// questions are what the server asked the client, until it answers. Servers number
// them anew in each session: the yes to a question of one that is gone must not become
// the yes to another question.
type questions struct {
	mu   sync.Mutex
	n    int                 // that were asked
	open map[string]question // by the id that the client has
}

type question struct {
	n      int    // how many were asked before
	of     int    // its session
	id     []byte // as the server has it
	lapsed bool   // the client was told that its session has ended
}

// manyQuestions is how many are remembered that the client does not answer.
const manyQuestions = 1024

// ask notes a question, and returns it as the client gets it: under another id where
// one of an older session is open under the same.
func (q *questions) ask(raw []byte, e mcp.Envelope, session int) ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open == nil {
		q.open = map[string]question{}
	}
	q.room()
	id := bytes.Clone(e.ID)
	if was, taken := q.open[string(id)]; taken && was.of != session {
		id = ownID()
		var err error
		if raw, err = underID(raw, id); err != nil {
			return nil, err
		}
	}
	q.n++
	q.open[string(id)] = question{n: q.n, of: session, id: bytes.Clone(e.ID)}
	return raw, nil
}

// room forgets the oldest question when there are too many.
func (q *questions) room() {
	if len(q.open) < manyQuestions {
		return
	}
	oldest, n := "", q.n+1
	for id, one := range q.open {
		if one.n < n {
			oldest, n = id, one.n
		}
	}
	delete(q.open, oldest)
}

// errNotAsked says that the client answers what no server has asked, or twice.
var errNotAsked = errors.New("nobody asked that")

// answered returns the client's answer as the server gets it, with the session that
// it is for. One to no question would answer whatever has the same number.
func (q *questions) answered(m *message) (*message, error) {
	q.mu.Lock()
	was, ok := q.open[string(m.ID)]
	delete(q.open, string(m.ID))
	q.mu.Unlock()
	if !ok {
		return nil, errNotAsked
	}
	raw := m.raw
	if !bytes.Equal(was.id, m.ID) {
		var err error
		if raw, err = underID(raw, was.id); err != nil {
			return nil, err
		}
	}
	out, err := readMessage(raw)
	if err != nil {
		return nil, err
	}
	out.of = was.of
	return out, nil
}

// lapse returns the ids, as the client has them, of the questions that are of no
// session any more, once. They stay noted: the client may answer yet.
func (q *questions) lapse(session int) [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all [][]byte
	for id, one := range q.open {
		if one.of != session && !one.lapsed {
			all = append(all, []byte(id))
			one.lapsed = true
			q.open[id] = one
		}
	}
	return all
}

// underID is a message under another id.
func underID(raw, id []byte) ([]byte, error) {
	all := map[string]jsontext.Value{}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	all["id"] = jsontext.Value(id)
	return json.Marshal(all, json.Deterministic(true))
}
