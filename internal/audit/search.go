package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// blockSize is how many bytes of a trail are looked through at a time.
const blockSize = 4 << 20

// Match is an event that was found, and its line as it stands in the trail.
type Match struct {
	*Event
	Line []byte // without its end
}

// Damage is a part of the trail that cannot be read.
type Damage struct {
	File string
	At   int64 // byte in the file
}

// Report says how a search went.
type Report struct {
	Files   int
	Bytes   int64
	Damaged int      // lines
	Damage  []Damage // the first few of them
	Cut     bool     // there may be more than the limit
	End     Position // of the trail when the search began
}

// maxDamage is how many damaged lines are named.
const maxDamage = 10

// ErrNoTrail says that there is no file to read.
var ErrNoTrail = errors.New("there is no audit trail")

// Search looks through a trail and its full files, the newest event first unless
// the query says otherwise, and hands each match to found until that returns an error, which it returns.
// It needs no server, and does not mind one that writes meanwhile.
func Search(ctx context.Context, path string, q Query, found func(Match) error) (Report, error) {
	return search(ctx, path, q, blockSize, found)
}

func search(ctx context.Context, path string, q Query, size int64, found func(Match) error) (Report, error) {
	files, err := openAll(path)
	if err != nil {
		return Report{}, err
	}
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	blocks, report, err := cut(files, size)
	if err != nil {
		return report, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := searcher{q: q, sieve: q.sieve()}
	n := 0
	if q.Oldest {
		slices.Reverse(blocks)
	}
	for r := range s.all(ctx, blocks) {
		if r.err != nil {
			return report, r.err
		}
		report.add(r)
		for _, m := range r.matches {
			if q.Limit > 0 && n == q.Limit {
				report.Cut = true
				return report, nil
			}
			if err := found(m); err != nil {
				return report, err
			}
			n++
		}
	}
	return report, ctx.Err()
}

func (r *Report) add(x result) {
	r.Damaged += x.damaged
	r.Bytes += x.bytes
	for _, d := range x.damage {
		if len(r.Damage) < maxDamage {
			r.Damage = append(r.Damage, d)
		}
	}
}

// openAll opens the files of a trail, the newest first. The current one is
// opened before the others are looked for: one that is turned over meanwhile
// is then seen twice, and never missed.
func openAll(path string) ([]*os.File, error) {
	var files []*os.File
	add := func(path string) error {
		f, err := os.OpenFile(path, os.O_RDONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is no plain file", path)
		}
		known := slices.ContainsFunc(files, func(o *os.File) bool {
			other, err := o.Stat()
			return err == nil && os.SameFile(info, other)
		})
		if err != nil || known {
			return errors.Join(err, f.Close())
		}
		files = append(files, f)
		return nil
	}
	err := add(path)
	old, listed := fullFiles(path)
	if err == nil && listed != nil && !errors.Is(listed, fs.ErrNotExist) {
		err = listed
	}
	for _, f := range slices.Backward(old) {
		if err == nil {
			err = add(f.path)
		}
	}
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%w at %s", ErrNoTrail, path)
	}
	if err != nil {
		for _, f := range files {
			_ = f.Close()
		}
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	return files, nil
}

// block is a part of a file. A line belongs to the block in which it begins.
type block struct {
	f        *os.File
	from, to int64
	size     int64 // of the file when it was opened
}

// cut returns the blocks of files, the last of each file first.
func cut(files []*os.File, each int64) ([]block, Report, error) {
	var blocks []block
	var r Report
	for _, f := range files {
		info, err := f.Stat()
		if err != nil {
			return nil, r, fmt.Errorf("read the audit trail: %w", err)
		}
		size := info.Size()
		if r.Files == 0 {
			torn, err := tail(f, size)
			if err != nil {
				return nil, r, fmt.Errorf("read the audit trail: %w", err)
			}
			r.End = Position{info, size - int64(torn)}
		}
		for to := size; to > 0; {
			from := (to - 1) / each * each
			blocks = append(blocks, block{f, from, to, size})
			to = from
		}
		r.Files++
	}
	return blocks, r, nil
}

// result is what was found in a block, in the order that the query asks for.
type result struct {
	matches []Match
	damaged int
	damage  []Damage
	bytes   int64
	err     error
}

// searcher looks through blocks.
type searcher struct {
	q     Query
	sieve sieve
}

// all yields the results of blocks in their order, while later ones are worked on.
func (s *searcher) all(ctx context.Context, blocks []block) func(yield func(result) bool) {
	return func(yield func(result) bool) {
		workers := min(runtime.GOMAXPROCS(0), max(len(blocks), 1))
		ctx, stop := context.WithCancel(ctx)
		var busy sync.WaitGroup
		defer busy.Wait()
		defer stop()
		turns := make([]chan result, len(blocks))
		ahead := make(chan struct{}, 2*workers) // blocks that nobody has asked for yet
		for i := range turns {
			turns[i] = make(chan result, 1)
		}
		work := make(chan int)
		busy.Go(func() {
			defer close(work)
			for i := range blocks {
				select {
				case ahead <- struct{}{}:
				case <-ctx.Done():
					return
				}
				select {
				case work <- i:
				case <-ctx.Done():
					return
				}
			}
		})
		for range workers {
			busy.Go(func() {
				var buffer []byte
				for i := range work {
					var r result
					r, buffer = s.block(blocks[i], buffer)
					turns[i] <- r
				}
			})
		}
		for _, turn := range turns {
			select {
			case r := <-turn:
				<-ahead
				if !yield(r) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// block looks through one block. buffer is reused.
func (s *searcher) block(b block, buffer []byte) (result, []byte) {
	var r result
	// One byte before shows whether a line begins at from; what comes after
	// holds the end of the last line.
	start := max(b.from-1, 0)
	end := min(b.to+2*maxLine, b.size)
	if need := int(end - start); cap(buffer) < need {
		buffer = make([]byte, need)
	} else {
		buffer = buffer[:need]
	}
	n, err := b.f.ReadAt(buffer, start)
	if err != nil && !errors.Is(err, io.EOF) { // shorter than it was: somebody cut it
		r.err = fmt.Errorf("read the audit trail: %w", err)
		return r, buffer
	}
	text := buffer[:n]
	r.bytes = b.to - b.from
	pos := 0
	if b.from > 0 {
		if pos = bytes.IndexByte(text, '\n') + 1; pos == 0 {
			return r, buffer // the middle of something that is no line
		}
	}
	lines := s.lines(&r, b, text, start, pos)
	if !s.q.Oldest {
		slices.Reverse(lines)
	}
	for _, l := range lines {
		if s.q.Limit > 0 && len(r.matches) > s.q.Limit {
			break
		}
		line := text[l.start:l.end]
		switch e, err := Parse(line); {
		case err != nil:
			r.damages(b, start+int64(l.start))
		case s.q.wants(e):
			r.matches = append(r.matches, Match{e, bytes.Clone(line)})
		}
	}
	return r, buffer
}

// lines returns those from pos on that may be wanted. start is where text is in the file.
func (s *searcher) lines(r *result, b block, text []byte, start int64, pos int) []span {
	var lines []span
	for pos < len(text) && start+int64(pos) < b.to {
		n := bytes.IndexByte(text[pos:], '\n')
		if n < 0 && start+int64(len(text)) == b.size {
			break // being written, or torn: whoever writes next ends it
		}
		l := span{pos, len(text)}
		if n >= 0 {
			l.end = pos + n
		}
		pos = l.end + 1
		line := text[l.start:l.end]
		switch {
		case n < 0 || !sound(line):
			if len(line) > 0 {
				r.damages(b, start+int64(l.start))
			}
		case s.sieve.passes(line):
			lines = append(lines, l)
		}
	}
	return lines
}

// span is where a line is.
type span struct{ start, end int }

// sound says whether a line looks like one of ours.
func sound(line []byte) bool {
	return len(line) > len(lineHead)+timeWidth && bytes.HasPrefix(line, []byte(lineHead)) && line[len(line)-1] == '}'
}

func (r *result) damages(b block, at int64) {
	if r.damaged++; len(r.damage) < maxDamage {
		r.damage = append(r.damage, Damage{filepath.Base(b.f.Name()), at})
	}
}

// unquote reads a JSON string that we wrote; otherwise is for what is none.
func unquote(text []byte, otherwise string) string {
	var out string
	if json.Unmarshal(text, &out) != nil {
		return otherwise
	}
	return out
}
