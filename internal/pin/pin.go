// Package pin remembers tools as they were approved, and notices when a server
// describes one in another way: what a model reads of a tool is what makes it
// call it, and a server can change that behind everybody's back.
package pin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Place is where a tool is.
type Place struct {
	Server string
	Tenant tenant.ID // whose child the server is; empty: it is everybody's
}

// Record is what is known of a tool.
type Record struct {
	Place
	Name     string
	Approved []byte // definition that was approved, see Read; nil: none was
	At       time.Time
	By       string // who approved it; FirstUse: nobody had to
	Seen     []byte // definition that the server has told last
	SeenAt   time.Time
	First    time.Time // when it was seen first
}

// FirstUse stands for an approval because there was nothing to compare with.
const FirstUse = "first use"

// State is what a tool is.
type State string

// The states.
const (
	New      State = "new"      // was never approved
	Approved State = "approved" // is as it was approved
	Changed  State = "changed"  // is not
)

// State returns what a tool is.
func (r *Record) State() State {
	switch {
	case r.Approved == nil:
		return New
	case string(r.Approved) == string(r.Seen):
		return Approved
	}
	return Changed
}

// Sighting is what a server says of a tool.
type Sighting struct {
	Place
	Name       string
	Definition []byte
	At         time.Time
	Approve    bool // it is approved if it was never seen before
}

// Approval approves a tool as it was seen.
type Approval struct {
	Place
	Name string
	Seen []byte // the definition that is approved
	At   time.Time
	By   string
}

// Facts that callers branch on.
var (
	ErrRaced  = errors.New("the server describes the tool in yet another way by now")
	ErrTool   = errors.New("not a tool that can be pinned")
	ErrUnread = errors.New("the tools that were approved are not known yet")
)

// Store keeps records.
type Store interface {
	// Generation returns a number that grows with every new tool and every approval.
	Generation(ctx context.Context) (int64, error)
	// Load returns the records of a server; of all servers for "". The generation
	// is that of the records or an earlier one.
	Load(ctx context.Context, server string) (generation int64, all []Record, err error)
	// See writes down what was seen: of a tool that is known it replaces only what
	// was seen last.
	See(ctx context.Context, seen []Sighting) error
	// Approve approves tools, all or none. ErrRaced: one was not seen like that last.
	Approve(ctx context.Context, these []Approval) error
}

// Blocked says why a tool may not be called. Its text is for operators.
type Blocked struct {
	Server, Tool string
	State        State // empty: no list of the server's has the tool, so far
	Since        time.Time
	Tenant       tenant.ID
}

// Error says what happened and what to do.
func (b *Blocked) Error() string {
	place := b.Server + " " + b.Tool
	if b.Tenant != "" {
		place += " --tenant " + string(b.Tenant)
	}
	switch b.State {
	case Changed:
		return fmt.Sprintf("Description or schema of %q changed since it was approved on %s (diff: gatehouse tool diff %s). Approve: gatehouse tool approve %[3]s",
			b.Tool, b.Since.UTC().Format("2 Jan 2006"), place)
	case New:
		return fmt.Sprintf("The tool %q was seen first on %s and nobody approved it (gatehouse tool diff %s). Approve: gatehouse tool approve %[3]s",
			b.Tool, b.Since.UTC().Format("2 Jan 2006"), place)
	}
	return fmt.Sprintf("The server %s has listed no tool %q, so nobody knows what it is", b.Server, b.Tool)
}
