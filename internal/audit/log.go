package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Log is a trail that is open for writing. One goroutine writes; everybody else
// hands it lines, and waits for them only when asked to.
type Log struct {
	cfg  Config
	sink sink
	tell *slog.Logger

	mu     sync.Mutex
	next   batch         // lines that the scribe has not taken yet
	events int           // lines in next and in the scribe's hands
	bytes  int           // so many bytes of them
	room   chan struct{} // closed when there is room again; nil: nobody waits
	broken error         // why nothing can be written; wraps ErrUnwritable
	lost   gap
	began  time.Time // when the scribe turned to the sink; zero: it has not
	closed bool
	stats  Stats

	alike collapser
	rules atomic.Pointer[rules]

	wake, urgent chan struct{} // there is a line; somebody waits for it
	stop, ended  chan struct{}
	end          error // of the scribe
	watch        *time.Timer
}

// batch is lines that go to the sink together.
type batch struct {
	lines  []byte
	events int
	done   int      // bytes that are in the sink
	sync   bool     // it has to be on disk before anything else is done
	wait   *outcome // of those who wait until it is on disk; nil: nobody does
}

// outcome is what became of a batch.
type outcome struct {
	known chan struct{} // closed when err says it
	err   error
}

func (o *outcome) tell(err error) {
	if o != nil {
		o.err = err
		close(o.known)
	}
}

// gap counts events that could not be taken.
type gap struct {
	events      int
	since, till time.Time
	cause       string
}

// Stats are figures about a trail since it was opened.
type Stats struct {
	Written uint64 // events in the sink
	Lost    uint64 // events that were refused because the sink took none
	Queued  int    // events that wait for the sink
	Turned  uint64 // files that were begun because the last was full
}

// sink is where lines go. Only the scribe calls it.
type sink interface {
	// write adds whole lines and returns how many bytes of them are there to
	// stay, always whole lines.
	write(lines []byte) (int, error)
	// sync makes what was written durable. After errDoubtful nothing that was
	// written since the last one may be relied on, and with again the lines of
	// the last write will be written again.
	sync(again bool) error
	// look sees whether the sink is still what it was, and mends it.
	look() error
	// turned returns how many files were begun since the first.
	turned() uint64
	close() error
}

// Open opens a trail, making its file if there is none. ErrLocked: another
// process writes it; ErrUnsafe: the place is not ours alone.
func Open(cfg Config) (*Log, error) {
	l, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	go l.run()
	return l, nil
}

// prepare is Open without the scribe.
func prepare(cfg Config) (*Log, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Patience <= 0 {
		cfg.Patience = patience
	}
	l := &Log{
		cfg: cfg, tell: cfg.Log, alike: collapser{now: cfg.Now},
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if l.tell == nil {
		l.tell = slog.New(slog.DiscardHandler)
	}
	l.Change(cfg)
	if cfg.Stdout != nil {
		l.sink = &stream{to: cfg.Stdout}
	} else {
		f, torn, err := openFile(cfg.Path, &l.rules, cfg.Now)
		if err != nil {
			return nil, err
		}
		l.sink = f
		if torn > 0 {
			l.note("audit.torn", torn, "bytes", "the last line was not whole: whoever wrote it was killed, or the disk was full")
		}
	}
	l.watch = time.AfterFunc(time.Hour, l.hung)
	l.watch.Stop()
	return l, nil
}

// Durable writes an event and returns when it is on disk. Many at a time share
// one sync. After an error it is not known to be there; it may still appear.
func (l *Log) Durable(ctx context.Context, e *Event) error {
	return l.take(ctx, e, true)
}

// Write hands over an event to be written soon, and waits only while the queue
// is full, at most for Config.Patience. nil: it is written unless this process
// is killed; with Config.Strict it is on disk. While nothing can be written there
// is still the queue: what has been done cannot be refused any more, so it is
// told later.
func (l *Log) Write(ctx context.Context, e *Event) error {
	return l.take(ctx, e, l.rules.Load().strict)
}

func (l *Log) take(ctx context.Context, e *Event, durable bool) error {
	if !l.included(e.Kind) {
		return nil
	}
	if counted, err := l.collapse(e); counted || err != nil {
		return err
	}
	if e.Time.IsZero() {
		now := *e
		now.Time = l.cfg.Now()
		e = &now
	}
	buffer := buffers.Get().(*[]byte) //nolint:forcetypeassert // nothing else is put there
	line := appendEvent((*buffer)[:0], e)
	wait, err := l.put(ctx, line, e.Time, durable)
	*buffer = line
	buffers.Put(buffer)
	if err != nil || wait == nil {
		return err
	}
	return l.await(ctx, wait)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// put adds a line to the next batch, when there is room for it.
func (l *Log) put(ctx context.Context, line []byte, at time.Time, durable bool) (*outcome, error) {
	var late *time.Timer // of all waiting together, whoever else takes the room that there is
	defer func() {
		if late != nil {
			late.Stop()
		}
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		full := l.events >= maxQueue || l.bytes+len(line) > maxQueueBytes
		if err := l.refusal(); err != nil && (durable || full || l.closed) {
			l.lose(at, err)
			return nil, err
		}
		if !full {
			return l.add(line, durable), nil
		}
		if late == nil {
			late = time.NewTimer(l.cfg.Patience)
		}
		if err := l.roomy(ctx, at, late); err != nil {
			return nil, err
		}
	}
}

// refusal says why nothing can be taken.
func (l *Log) refusal() error {
	if l.closed {
		return fmt.Errorf("%w: it is closed", ErrUnwritable)
	}
	return l.broken
}

// lose counts an event that was not taken, so that the trail can say so later.
func (l *Log) lose(at time.Time, why error) {
	if l.lost.events++; l.lost.events == 1 {
		l.lost.since, l.lost.cause = at, why.Error()
	}
	l.lost.till = at
	l.stats.Lost++
}

// add is put without a question.
func (l *Log) add(line []byte, durable bool) *outcome {
	b := &l.next
	if len(b.lines) == 0 {
		signal(l.wake)
	}
	before := len(b.lines)
	b.lines = append(b.lines, line...)
	b.events++
	l.events++
	l.bytes += len(line)
	if before < writeSize && len(b.lines) >= writeSize {
		signal(l.urgent)
	}
	if !durable {
		return nil
	}
	if b.wait == nil {
		b.wait, b.sync = &outcome{known: make(chan struct{})}, true
		signal(l.urgent)
	}
	return b.wait
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// roomy waits until something was written. It is called, and returns, with mu held.
func (l *Log) roomy(ctx context.Context, at time.Time, late *time.Timer) error {
	if l.room == nil {
		l.room = make(chan struct{})
	}
	room := l.room
	l.mu.Unlock()
	defer l.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w while it had no room", ErrUnwritable, context.Cause(ctx))
	case <-late.C:
		err := l.late()
		l.mu.Lock()
		l.lose(at, err)
		l.mu.Unlock()
		return err
	}
}

func (l *Log) late() error {
	return fmt.Errorf("%w: it took nothing for %v", ErrUnwritable, l.cfg.Patience)
}

// await waits until a batch is on disk.
func (l *Log) await(ctx context.Context, o *outcome) error {
	late := time.NewTimer(l.cfg.Patience)
	defer late.Stop()
	select {
	case <-o.known:
		return o.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w while it was written", ErrUnwritable, context.Cause(ctx))
	case <-late.C:
		return l.late()
	}
}

// Healthy says why nothing can be written at present. It mends itself.
func (l *Log) Healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusal()
}

// Stats returns figures about the trail.
func (l *Log) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Queued = l.events
	return s
}

// Close writes down what is left and gives the file back. It waits no longer
// for the sink than others do.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	close(l.stop)
	late := time.NewTimer(l.cfg.Patience)
	defer late.Stop()
	select {
	case <-l.ended:
		return l.end
	case <-late.C:
		return errors.Join(l.late(), errors.New("the last events are lost"))
	}
}
