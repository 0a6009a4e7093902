package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Position is a place in a trail: between two lines of one of its files. The
// zero Position is before the first line of the current file.
type Position struct {
	file os.FileInfo
	at   int64
}

const (
	followWait  = 100 * time.Millisecond // between two looks for new lines
	followChunk = 1 << 20                // bytes read at a time
)

// Follow hands over the events after a position as they are written, the oldest
// first, until ctx ends, which is no error, or found returns one. It goes on in
// the next file when one is full.
func Follow(ctx context.Context, path string, from Position, q Query, found func(Match) error) error {
	f := follower{path: path, q: q, sieve: q.sieve(), found: found, at: from.at}
	defer func() { f.close() }()
	tick := time.NewTicker(followWait)
	defer tick.Stop()
	for {
		err := f.step(from.file)
		if errors.Is(err, fs.ErrNotExist) { // not made yet, or being turned over
			err = nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// follower is where a reader is.
type follower struct {
	path   string
	q      Query
	sieve  sieve
	found  func(Match) error
	file   *os.File // nil: none was there yet
	at     int64
	buffer []byte
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}

// step hands over what is there by now.
func (f *follower) step(first os.FileInfo) error {
	if f.file == nil {
		file, err := f.locate(first)
		if err != nil {
			return err
		}
		f.file = file
	}
	for {
		// Whether a newer file is there is asked first: then the end of this one
		// is its end for good.
		next, err := f.next()
		if err != nil {
			return err
		}
		if err := f.read(); err != nil || next == nil {
			return err
		}
		f.close()
		f.file, f.at = next, 0
	}
}

// locate opens the file that a position is in, which may be full by now.
func (f *follower) locate(info os.FileInfo) (*os.File, error) {
	if info == nil {
		return os.Open(f.path)
	}
	files, err := openAll(f.path)
	if err != nil {
		return nil, err
	}
	var it *os.File
	for _, o := range files {
		if i, err := o.Stat(); it == nil && err == nil && os.SameFile(i, info) {
			it = o
			continue
		}
		_ = o.Close()
	}
	if it == nil { // removed meanwhile
		f.at = 0
		return os.Open(f.path)
	}
	return it, nil
}

// next opens the file after the one that is read; nil: it is the newest.
func (f *follower) next() (*os.File, error) {
	ours, err := f.file.Stat()
	if err != nil {
		return nil, fmt.Errorf("follow the audit trail: %w", err)
	}
	if i, err := os.Stat(f.path); err != nil || os.SameFile(ours, i) {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return nil, err
	}
	files, err := openAll(f.path) // the newest first
	if err != nil {
		return nil, err
	}
	var next *os.File
	for _, o := range files {
		if i, err := o.Stat(); err == nil && os.SameFile(i, ours) {
			break
		}
		next = o
	}
	for _, o := range files {
		if o != next {
			_ = o.Close()
		}
	}
	return next, nil
}

// read hands over the whole lines from here to the end of the file.
func (f *follower) read() error {
	if info, err := f.file.Stat(); err == nil && info.Size() < f.at {
		f.at = 0 // it was cut
	}
	if f.buffer == nil {
		f.buffer = make([]byte, followChunk)
	}
	for {
		n, err := f.file.ReadAt(f.buffer, f.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("follow the audit trail: %w", err)
		}
		whole := bytes.LastIndexByte(f.buffer[:n], '\n') + 1
		if whole == 0 && n == len(f.buffer) {
			whole = n // no line of ours
		}
		for line := range bytes.Lines(f.buffer[:whole]) {
			line = bytes.TrimSuffix(line, []byte{'\n'})
			if !sound(line) || !f.sieve.passes(line) {
				continue
			}
			if e, err := Parse(line); err == nil && f.q.wants(e) {
				if err := f.found(Match{e, bytes.Clone(line)}); err != nil {
					return err
				}
			}
		}
		f.at += int64(whole)
		if err != nil || whole == 0 {
			return nil
		}
	}
}
