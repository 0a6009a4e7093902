package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// trail reads the whole audit trail, and sees whether it can be written.
var trail = Check{"audit", "the audit trail: whether it can be written, and read from beginning to end", func(ctx context.Context, m *Machine, r *report) {
	if m.Trail == "" {
		r.ok("it goes to standard output, and is kept by whoever reads that")
		return
	}
	f, err := os.OpenFile(m.Trail, os.O_WRONLY, 0) // it is not made, and nothing is written
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.ok("%s is not there yet: the first event makes it", m.Trail)
		return
	case err != nil:
		r.fail("GH-2420", "give it to the account that gatehouse runs as, or run this as that; without a trail callers are refused", "%s cannot be written: %v", m.Trail, err)
		return
	}
	_ = f.Close() // nothing was written
	v, err := m.Verify(ctx)
	switch {
	case ctx.Err() != nil:
		r.unknown("read it in your own time: gatehouse audit export > /dev/null", "%s is too long to be read in the time that there is", m.Trail)
	case err != nil:
		r.fail("GH-2420", "see what it says; a trail is plain JSON lines", "%s cannot be read: %v", m.Trail, err)
	case v.Damaged > 0:
		r.warn("GH-2420", "look there, and at the disk: a power failure may cut the last line of a file, and nothing else", "%s has damaged lines: %d, the first in %s", m.Trail, v.Damaged, v.Where)
	default:
		r.ok("%s can be written, and every line of it read (files: %d)", m.Trail, v.Files)
	}
}}
