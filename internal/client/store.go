package client

import (
	"context"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/tenant"
)

// Row is what is kept of a client.
type Row struct {
	ID       string
	Kind     Kind
	State    State     // Known: nobody decided anything
	Tenant   tenant.ID // of a static one; empty: everybody's
	Name     string    // as it was last seen: for lists
	Metadata []byte    // of a static one; of others what replaces the id's, or the document as it was last; nil: nothing
	Seen     time.Time // when Metadata was written

	Created  time.Time // of the client if it is known, else of the row
	LastUsed time.Time // zero: never
	Deleted  time.Time // zero: it is not

	By, Reason string    // of the latest decision
	Decided    time.Time // zero: there was none
}

// Filter says which rows are wanted; what is empty is not looked at.
type Filter struct {
	Kind   Kind
	State  State
	Tenant tenant.ID
	Limit  int // 0: 1000
}

// Store keeps rows. No method changes more of a row than it says.
type Store interface {
	// Client returns the row of an id, deleted ones too; ErrUnknown if there is none.
	Client(ctx context.Context, id string) (*Row, error)
	// Clients returns the rows that are not deleted, those used or decided upon last
	// first, and how many there are.
	Clients(ctx context.Context, f Filter) (rows []Row, total int, err error)
	// Create adds the row of a static client; ErrExists if there is one.
	Create(ctx context.Context, r *Row) error
	// Decide sets State, By, Reason and Decided, and Name if it is not empty, in the
	// row of an id, which it makes of r if there is none. It returns the row as it is
	// then; ErrUnknown if the client is deleted.
	Decide(ctx context.Context, r *Row) (*Row, error)
	// Use moves LastUsed on, and sets Name, Metadata and Seen if there is Metadata, in
	// the row of an id that is not deleted; it makes the row of r if there is none.
	Use(ctx context.Context, r *Row) error
	// Wait makes a row that is Pending unless there is a row, or are most of them.
	Wait(ctx context.Context, r *Row, most int) error
	// Change sets Name, Metadata and Seen, and State if it is Approved back to Known,
	// in the row of an id that is not deleted (ErrUnknown) and makes the row of r if
	// there is none: ErrFull if most rows of clients that nobody has used are there.
	Change(ctx context.Context, r *Row, most int) error
	// Replace sets Metadata and Seen in the row of a Static client that is not
	// deleted, if Metadata is what it was; else ErrRaced.
	Replace(ctx context.Context, id string, was, now []byte, at time.Time) error
	// Delete marks a client as deleted, for good, by a row that it makes of r if
	// there is none: ErrFull as with Change. ErrUnknown if it is so already.
	Delete(ctx context.Context, r *Row, most int) error
	// Sweep deletes rows of clients that were never used nor decided upon: of those
	// that are Pending what was made before waiting, of the rest before others. It
	// returns how many.
	Sweep(ctx context.Context, waiting, others time.Time) (int64, error)
}
