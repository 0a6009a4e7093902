package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Child is one running server.
type Child struct {
	spec  Spec
	began time.Time
	pid   int
	group *group
	stdin *os.File
	out   [2]*os.File // our ends of standard output and standard error
	tail  tail

	outgoing chan []byte    // handed to the one writer, so that lines never mix
	closing  chan struct{}  // closed by the first Stop
	exited   chan struct{}  // closed when the first process has ended
	drained  chan struct{}  // closed when both outputs have reached their end
	done     chan struct{}  // closed when all of the child is gone
	readers  sync.WaitGroup // of the two outputs
	stopOnce sync.Once

	mu     sync.Mutex
	reaped bool   // the group's number may belong to somebody else now
	reason string // why we ended it; empty when it ended by itself
	err    error  // set before done is closed
}

// Start starts a child. It returns once the program runs, or could not; the
// context bounds only that. The caller must Stop the child.
func Start(ctx context.Context, s Spec) (*Child, error) {
	s, err := s.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := runnable(s.Command[0]); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	c := &Child{
		spec: s, began: s.Now(),
		outgoing: make(chan []byte), closing: make(chan struct{}), exited: make(chan struct{}),
		drained: make(chan struct{}), done: make(chan struct{}),
	}
	if err := c.start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	return c, nil
}

// start makes the pipes and the process, and the goroutines that serve them.
func (c *Child) start() error {
	a, err := accountOf(c.spec.User)
	if err != nil {
		return err
	}
	if c.spec.Unprivileged && a.privileged() {
		return fmt.Errorf("user %q: it is root's account or our own", c.spec.User)
	}
	attr := &os.ProcAttr{Env: c.spec.environ(a)}
	if attr.Dir, err = workingDir(c.spec.Dir, a); err != nil {
		return err
	}
	ours, theirs, err := pipes()
	if err != nil {
		return err
	}
	defer closeAll(theirs)
	attr.Files = theirs
	c.stdin, c.out = ours[0], [2]*os.File{ours[1], ours[2]}
	started := make(chan error)
	onOwnThread(func() { c.keep(attr, a, started) })
	if err := <-started; err != nil {
		closeAll(ours)
		return explain(err, &c.spec, attr.Dir, a)
	}
	c.readers.Add(2)
	go c.messages()
	go c.complaints()
	go func() { c.readers.Wait(); close(c.drained) }()
	go c.write()
	return nil
}

// pipes returns our and the child's ends of its three standard streams.
func pipes() (ours, theirs []*os.File, err error) {
	for i := range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(ours, theirs...))
			return nil, nil, fmt.Errorf("make a pipe: %w", err)
		}
		if i == 0 {
			ours, theirs = append(ours, w), append(theirs, r)
		} else {
			ours, theirs = append(ours, r), append(theirs, w)
		}
	}
	return ours, theirs, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// keep starts the process and sees it to its end. All of it happens on one
// thread of its own: the kernel ends the child when this very thread
// ends, and what we give up for the child is given up by this thread only.
func (c *Child) keep(attr *os.ProcAttr, a *account, started chan<- error) {
	confine()
	attr.Sys = sysAttr(a)
	p, err := os.StartProcess(c.spec.Command[0], c.spec.Command, attr)
	if err != nil {
		started <- err
		return
	}
	c.pid = p.Pid
	if c.group, err = groupOf(p); err != nil {
		_, _ = p.Wait()
		started <- err
		return
	}
	defer c.group.close()
	started <- nil
	state := awaitExit(p)
	close(c.exited)
	c.stopOnce.Do(func() { close(c.closing) }) // nobody reads what is still to be written
	c.sweep()
	c.mu.Lock()
	if state == nil {
		state, _ = p.Wait()
	}
	c.reaped = true
	c.mu.Unlock()
	c.group.await(drainWait)
	if !waitFor(c.drained, drainWait) {
		closeAll(c.out[:]) // held open by a process that left the group
		<-c.drained
	}
	closeAll(c.out[:])
	c.mu.Lock()
	c.err = &ExitError{Command: c.spec.Title(), How: c.reasonOr(how(state)), After: c.spec.Now().Sub(c.began), Lines: c.tail.last()}
	c.mu.Unlock()
	close(c.done)
}

// sweep ends what the first process has left in its group: it is not reaped
// yet, so the group's number is still theirs.
func (c *Child) sweep() {
	if waitFor(c.drained, drainWait/4) {
		c.signal(kill) // whatever closed its output and stayed
		return
	}
	c.signal(terminate)
	waitFor(c.drained, sweepWait)
	c.signal(kill)
}

// signal sends a signal to the child's whole group, as long as it is its group.
func (c *Child) signal(how sig) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		c.group.signal(how)
	}
}

func (c *Child) reasonOr(how string) string {
	if c.reason != "" {
		return c.reason
	}
	return how
}

// Stop ends the child and everything in its process group: its input is closed,
// then it is asked to end, then it is ended. It returns when all are gone, at
// most Grace and two seconds later.
func (c *Child) Stop() {
	c.stopOnce.Do(func() { close(c.closing) })
	_ = c.stdin.Close()
	if !waitFor(c.exited, c.spec.Grace) {
		c.signal(terminate)
		if !waitFor(c.exited, termWait) {
			c.signal(kill)
		}
	}
	<-c.done
}

// end is Stop without patience, for a child that breaks the rules.
func (c *Child) end(reason string) {
	c.mu.Lock()
	if c.reason == "" {
		c.reason = reason
	}
	c.mu.Unlock()
	c.signal(kill)
}

// Send writes one message, which must be one line without its end. It returns
// when the writer has taken it: ErrEnded when there is no child any more, the
// context's error when the child does not read in time.
func (c *Child) Send(ctx context.Context, message []byte) error {
	select {
	case <-c.closing:
		return ErrEnded
	default:
	}
	for _, b := range message {
		if b == '\n' || b == '\r' {
			return errors.New("a message with a line break would be read as two") // MCP 2026-07-28 stdio
		}
	}
	select {
	case c.outgoing <- message:
		return nil
	case <-c.closing:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// write is the only one who writes to the child. A line is written whole or is
// the last, whoever waits for it: half a line would swallow the next.
func (c *Child) write() {
	defer c.stdin.Close()
	var line []byte
	for {
		select {
		case m := <-c.outgoing:
			line = append(append(line[:0], m...), '\n')
			if _, err := c.stdin.Write(line); err != nil {
				c.stopOnce.Do(func() { close(c.closing) })
				return
			}
			if cap(line) > maxKept {
				line = nil
			}
		case <-c.closing:
			return
		}
	}
}

const maxKept = 1 << 20 // bytes of a buffer worth keeping

// Done is closed when the child and its group are gone.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err says how the child ended, as an *ExitError; nil until Done is closed.
func (c *Child) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// PID returns the first process's number.
func (c *Child) PID() int { return c.pid }

// Began returns when the child was started.
func (c *Child) Began() time.Time { return c.began }

// waitFor waits until a channel is closed, and says whether it was in time.
func waitFor(done <-chan struct{}, limit time.Duration) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
