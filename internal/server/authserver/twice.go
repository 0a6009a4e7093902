package authserver

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/audit"
	"github.com/gatehouse-mcp/gatehouse/internal/client"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/login"
	"github.com/gatehouse-mcp/gatehouse/internal/oauth"
)

// How long an answer is kept for somebody who presses a button twice, how long the
// second press waits for the first, and at first between two looks for its answer,
// and how long an answer may take.
const (
	twiceKept    = 10 * time.Second
	twiceWait    = 3 * time.Second
	twiceLook    = 20 * time.Millisecond
	concludeTime = 20 * time.Second

	endingSealed = "flow ending" // purpose
)

// ending is how a flow ended. It is kept sealed beside the mark that it has: a
// browser shows the answer to the last press of a button only, whichever replica
// that came to, and that the first press has won is no help to whoever pressed it
// twice.
type ending struct {
	At   time.Time `json:"t"`
	User string    `json:"u"`
	To   string    `json:"a"` // the answer to the client; empty: there was none
}

func endingKey(flow string) [32]byte { return sha256.Sum256([]byte("authorization flow\x00" + flow)) }

// end marks a flow as decided. It can be decided once, however many pages, tabs
// and clicks there are.
func (s *Server) end(ctx context.Context, f *flow) error {
	err := s.Once.Once(ctx, endingKey(f.ID), f.Began.Add(flowTime))
	if errors.Is(err, grant.ErrReplay) {
		return decidedBefore(err)
	}
	if err != nil {
		return fmt.Errorf("end a flow: %w", err)
	}
	return nil
}

func decidedBefore(cause error) *oauth.Error {
	return &oauth.Error{Code: oauth.InvalidRequest, Ref: "GH-1422", Description: "this was decided a moment ago", Cause: cause}
}

// ended keeps where a flow led; who is nil if nobody is known. Nobody is lost if that cannot be kept: who pressed
// twice reads that it was decided.
func (s *Server) ended(ctx context.Context, f *flow, who *login.Person, to string) {
	text, err := json.Marshal(ending{At: s.now(), User: subject(who), To: to})
	sealed := ""
	if err == nil {
		sealed, err = s.Seal.Seal(endingSealed, f.ID, text)
	}
	if err == nil {
		err = s.Once.Settle(ctx, endingKey(f.ID), sealed)
	}
	if err != nil {
		s.Log.Warn("how a sign-in ended cannot be kept for a second press", "request", f.ID, "error", err.Error())
	}
}

// endingOf returns where a flow led that was decided a moment ago, by the same
// person, or is just being decided. It waits a little for whoever decides it, and
// not at all if nobody has begun to.
func (s *Server) endingOf(ctx context.Context, f *flow, user string) (string, error) {
	ctx, stop := context.WithTimeout(ctx, twiceWait)
	defer stop()
	for wait := twiceLook; ; wait *= 2 {
		sealed, err := s.Once.Ending(ctx, endingKey(f.ID))
		switch {
		case ctx.Err() != nil:
			return "", decidedBefore(ctx.Err())
		case errors.Is(err, grant.ErrNotFound):
			return "", decidedBefore(err)
		case err != nil:
			return "", err
		case sealed != "":
			return s.openEnding(f, user, sealed)
		}
		select {
		case <-ctx.Done():
			return "", decidedBefore(ctx.Err())
		case <-time.After(wait):
		}
	}
}

func (s *Server) openEnding(f *flow, user, sealed string) (string, error) {
	text, err := s.Seal.Open(endingSealed, f.ID, sealed)
	var e ending
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	switch {
	case err != nil:
		return "", decidedBefore(err)
	case e.User != user:
		return "", decidedBefore(errors.New("by somebody else"))
	case e.To == "":
		return "", decidedBefore(errors.New("it came to nothing"))
	case s.now().Sub(e.At) > twiceKept:
		return "", decidedBefore(nil)
	}
	return e.To, nil
}

// pressedAgain answers somebody whose form was sent twice, of which one was taken
// for a guess: with what the other one has led to. It says whether it did.
func (s *Server) pressedAgain(w http.ResponseWriter, r *http.Request, f *flow, err error) bool {
	used, ok := errors.AsType[*login.UsedError](err)
	if !ok || f.Next != "" {
		return false
	}
	c, err := s.Clients.Find(r.Context(), f.Client)
	if err != nil {
		return false
	}
	to, err := s.endingOf(r.Context(), f, used.User)
	if err != nil {
		return false
	}
	if err := s.note(r, &audit.Event{
		Action: "code", Request: f.ID, ClientID: f.Client, Client: c.Name, Subject: used.User, Outcome: audit.OK, Reason: "the same answer once more, for a code that was sent twice",
	}); err != nil {
		s.fail(w, r, err)
		return true
	}
	s.granted(w, r, f, c, to, byPage)
	return true
}

// granted answers somebody whose flow has ended well.
func (s *Server) granted(w http.ResponseWriter, r *http.Request, f *flow, c *client.Client, to string, how delivery) {
	if f.Device != "" {
		s.page(w, r, http.StatusOK, "done", notice{"Done", "“" + shown(c.Name) + "” can go on. You can close this page and return to your device."})
		return
	}
	s.deliver(w, r, f, to, c, how, leaving{
		Title: "Done", Text: "“" + shown(c.Name) + "” has been allowed. You can close this page once the app has taken over.",
	})
}
