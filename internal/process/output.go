package process

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"
)

const (
	shownLine   = 200     // bytes of a line in an error
	loggedLine  = 4 << 10 // bytes of a line of standard error in the log
	tailLines   = 8       // last lines of standard error kept
	linesPerSec = 50      // of standard error in the log; the rest is counted
)

// messages reads standard output until its end.
func (c *Child) messages() {
	defer c.readers.Done()
	in := bufio.NewReaderSize(c.out[0], 64<<10)
	odd := 0
	for {
		line, err := readLine(in, c.spec.MaxLine)
		if errors.Is(err, errLong) {
			c.spec.Log.Error("server wrote a line without end and is stopped", "code", "GH-2302", "server", c.spec.Name,
				"limit", c.spec.MaxLine, "begins", escape(line, shownLine))
			c.end("wrote a line of more than the allowed size and was ended")
			_, _ = io.Copy(io.Discard, in)
			return
		}
		if err != nil {
			return // what is left of a half line is no message
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if (line[0] != '{' && line[0] != '[') || !json.Valid(line) {
			odd++
			c.stray(line, odd)
			continue
		}
		c.spec.Receive(line)
	}
}

// stray reports a line that is no message. The first is worth a warning; more
// of them say nothing new, so they are reported at each power of ten.
func (c *Child) stray(line []byte, count int) {
	for n := count; n > 1; n /= 10 {
		if n%10 != 0 {
			return
		}
	}
	c.spec.Log.Warn(`"`+c.spec.Title()+`" wrote a non-JSON line to stdout ("`+escape(line, shownLine)+`"). stdout is the protocol; log to stderr.`,
		"code", "GH-2302", "server", c.spec.Name, "lines", count)
}

var errLong = errors.New("line too long")

// readLine returns the next line without its end, in a slice of its own. With
// errLong it returns how the line begins.
func readLine(in *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > limit+1 {
			return append(line, part[:min(len(part), shownLine)]...), errLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// complaints reads standard error until its end, whatever comes: a full pipe
// would stop the child.
func (c *Child) complaints() {
	defer c.readers.Done()
	in := bufio.NewReaderSize(c.out[1], loggedLine)
	quota := quota{}
	inLine := false // the rest of a line that was too long
	for {
		part, err := in.ReadSlice('\n')
		rest := inLine
		inLine = errors.Is(err, bufio.ErrBufferFull)
		if part = bytes.TrimRight(part, "\r\n"); len(part) > 0 && !rest {
			text := escape(part, loggedLine)
			c.tail.add(escape(part, shownLine))
			allowed, missed := quota.take(c.spec.Now())
			if missed > 0 {
				c.spec.Log.Warn("server writes too much to stderr", "server", c.spec.Name, "dropped", missed)
			}
			if allowed {
				c.spec.Log.Info("stderr", "server", c.spec.Name, "line", text)
			}
		}
		if err != nil && !inLine {
			return
		}
	}
}

// quota lets linesPerSec lines through in each second.
type quota struct {
	second       time.Time
	used, missed int
}

// take says whether one more line may pass, and how many could not in the
// second that has just ended.
func (q *quota) take(now time.Time) (allowed bool, missed int) {
	if now.Sub(q.second) >= time.Second || now.Before(q.second) {
		missed = q.missed
		*q = quota{second: now}
	}
	if q.used == linesPerSec {
		q.missed++
		return false, missed
	}
	q.used++
	return true, missed
}

// tail keeps the last lines.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == tailLines {
		t.lines = append(t.lines[:0], t.lines[1:]...)
	}
	t.lines = append(t.lines, line)
}

func (t *tail) last() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.lines...)
}
