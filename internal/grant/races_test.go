package grant_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/e2e/postgres"
	"github.com/gatehouse-mcp/gatehouse/internal/grant"
	"github.com/gatehouse-mcp/gatehouse/internal/keytext"
	"github.com/gatehouse-mcp/gatehouse/internal/token"
)

const crowd = 64 // at once

// rounds is how often a race is run: `make soak` sets GATEHOUSE_LONG.
func (r *race) rounds() int {
	switch {
	case os.Getenv("GATEHOUSE_LONG") != "":
		return 10_000
	case testing.Short():
		return 20
	case r.dsn != "": // it takes three times as long as SQLite
		return 20
	}
	return 200
}

// race is a house with processes that many ask at once.
type race struct {
	*house
	t         *testing.T
	processes []*grant.Service // on PostgreSQL two replicas, each with its own connections, and two processes of one of them
	judge     *token.Revocations
}

// onEach runs a race on each database.
func onEach(t *testing.T, run func(*race)) {
	begin := func(t *testing.T, h *house) {
		t.Parallel() // one waits for the disk while another works
		other := h.replica()
		run(&race{
			house: h, t: t, processes: []*grant.Service{h.service(), h.serviceOn(other), h.service()},
			judge: &token.Revocations{Source: other.Revocations(), Now: h.now},
		})
	}
	t.Run("SQLite", func(t *testing.T) { begin(t, newHouse(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { begin(t, newHouseOn(t, postgres.Start(t))) })
}

// over says whether access tokens of a grant are revoked, as a replica sees it
// that did nothing but to look. Unlike accessEnded it follows: of thousands of
// revocations each is read once.
func (r *race) over(id string) bool {
	r.t.Helper()
	if err := r.judge.Changed(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	err := r.judge.Judge(r.t.Context(), &token.Named{Issuer: issuer, Subject: "usr_ada", Client: "cli", Grant: id, Issued: r.now()}, r.now())
	if err != nil && !errors.Is(err, token.ErrRevoked) {
		r.t.Fatal(err)
	}
	return err != nil
}

// winner runs fn in many at once and wants one of them to have no error, and
// each of the others one of those given.
func (r *race) winner(fn func(i int) error, losers ...error) {
	r.t.Helper()
	won := 0
	for _, err := range together(crowd, fn) {
		switch {
		case err == nil:
			won++
		case !isOne(err, losers):
			r.t.Fatalf("got %v, want one of %v", err, losers)
		}
	}
	if won != 1 {
		r.t.Fatalf("got %d winners, want one", won)
	}
}

func isOne(err error, of []error) bool {
	for _, one := range of {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// Of 64 at once one is given the grant. The others were right in everything, so
// one of them was a thief, or all are: what was given is revoked.
func TestA003OneOfManyRedeemsACode(t *testing.T) {
	onEach(t, func(r *race) {
		for range r.rounds() {
			code := r.code(r.processes[0])
			r.winner(func(i int) error {
				_, err := r.processes[i%3].Redeem(context.Background(), redemption(code))
				return err
			}, grant.ErrSpent, grant.ErrRevoked)
			if !r.over(idOf(r.t, keytext.Code, code)) {
				r.t.Fatal("what was given is not revoked")
			}
			r.pass(time.Second)
		}
	})
}

// With a grace many at once are given the same successor, from whichever
// process; without one a single request wins, and the family ends.
func TestA003OneOfManyRotates(t *testing.T) {
	onEach(t, func(r *race) {
		_, text := r.granted(r.processes[0])
		for range r.rounds() {
			var mu sync.Mutex
			next := map[string]int{}
			for _, err := range together(crowd, func(i int) error {
				_, one, err := r.processes[i%3].Refresh(context.Background(), refresh(text))
				mu.Lock()
				defer mu.Unlock()
				next[one]++
				return err
			}) {
				if err != nil {
					r.t.Fatal(err)
				}
			}
			if len(next) != 1 {
				r.t.Fatalf("got %d successors of one token", len(next))
			}
			for text = range next {
			}
			r.pass(time.Second)
		}
	})
}

func TestA003WithoutAGraceOneRotates(t *testing.T) {
	onEach(t, func(r *race) {
		for _, s := range r.processes {
			s.RefreshGrace = 0
		}
		for range r.rounds() {
			g, text := r.granted(r.processes[0])
			r.winner(func(i int) error {
				_, _, err := r.processes[i%3].Refresh(context.Background(), refresh(text))
				return err
			}, grant.ErrReused, grant.ErrRevoked)
			if !r.over(g.ID) {
				r.t.Fatal("the family is not revoked")
			}
			r.pass(time.Second)
		}
	})
}
