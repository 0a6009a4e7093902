package audit

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/gatehouse-mcp/gatehouse/internal/config"
)

// writeSize is how many bytes are worth a write of their own.
const writeSize = 256 << 10

// scribe is what the goroutine that writes knows, and nobody else.
type scribe struct {
	*Log
	hand  batch // what is being written; after an error it stays here until it is
	spare []byte
	dirty int // events in the sink that may not be on disk
}

// run writes until Close.
func (l *Log) run() {
	defer close(l.ended)
	s := &scribe{Log: l}
	tick := time.NewTicker(retryTime)
	defer tick.Stop()
	pause := time.NewTimer(time.Hour)
	pause.Stop()
	for n := 0; ; {
		select {
		case <-l.wake:
			s.gather(pause)
		case <-tick.C:
			n++
			s.care(n%int(lookTime/retryTime) == 0)
		case <-l.stop:
			l.end = s.last()
			return
		}
		if s.turn() {
			signal(l.wake)
		}
	}
}

// gather lets lines come together that nobody waits for: a write for each
// would cost more than all the rest.
func (s *scribe) gather(pause *time.Timer) {
	s.mu.Lock()
	worth := s.next.sync || len(s.next.lines) >= writeSize
	s.mu.Unlock()
	if worth {
		return
	}
	pause.Reset(gatherTime)
	select {
	case <-s.urgent:
		pause.Stop()
	case <-pause.C:
	case <-s.stop:
	}
}

// turn writes what is there, once: whoever adds lines without end must not keep
// care from its work. It returns whether there is more; after an error there is
// not, and care tries again.
func (s *scribe) turn() (more bool) {
	s.mu.Lock()
	if len(s.hand.lines) == 0 {
		if len(s.next.lines) == 0 {
			s.mu.Unlock()
			return false
		}
		s.hand, s.next = s.next, batch{lines: s.spare}
		s.spare = nil
	}
	s.mu.Unlock()
	err := s.watched(s.write)
	s.settle(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && len(s.next.lines) > 0
}

// watched is how the sink is called: others learn when it takes too long.
func (s *scribe) watched(do func() error) error {
	s.mu.Lock()
	s.began = time.Now() // for the watch, not for the records
	s.mu.Unlock()
	s.watch.Reset(s.cfg.Patience)
	err := do()
	s.watch.Stop()
	s.mu.Lock()
	s.began = time.Time{}
	s.mu.Unlock()
	return err
}

// write puts the batch in hand into the sink.
func (s *scribe) write() error {
	n, err := s.sink.write(s.hand.lines[s.hand.done:])
	s.hand.done += n
	if err != nil {
		s.doubt(err)
		return err
	}
	if !s.hand.sync {
		s.dirty += s.hand.events
		return nil
	}
	return s.sync(true)
}

// sync makes the sink durable. inHand says that the last write is still in hand.
func (s *scribe) sync(inHand bool) error {
	err := s.sink.sync(inHand)
	if err != nil {
		s.doubt(err)
	}
	s.dirty = 0
	return err
}

// doubt draws the consequences when what was written since the last sync may be
// gone: the batch in hand is written again, and the trail owns up to the rest.
func (s *scribe) doubt(err error) {
	if !errors.Is(err, errDoubtful) {
		return
	}
	s.hand.done = 0
	if s.dirty > 0 {
		s.mu.Lock()
		s.note("audit.doubtful", s.dirty, "events", err.Error())
		s.mu.Unlock()
		s.dirty = 0
	}
}

// settle tells everybody what became of the batch in hand.
func (s *scribe) settle(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Turned = s.sink.turned()
	if err != nil {
		s.fail(err)
		s.hand.wait.tell(s.broken)
		s.hand.wait, s.hand.sync = nil, true // it counts as mended once it is durable
		return
	}
	s.hand.wait.tell(nil)
	s.stats.Written += uint64(s.hand.events)
	s.events -= s.hand.events
	s.bytes -= len(s.hand.lines)
	s.spare, s.hand = s.hand.lines[:0], batch{}
	s.heal()
	s.makeRoom()
}

// fail notes why nothing can be written, and sends away those who wait.
func (l *Log) fail(err error) {
	if l.broken == nil {
		l.tell.Error("audit trail cannot be written", "error", err.Error())
	}
	l.broken = fmt.Errorf("%w: %w", ErrUnwritable, err)
	l.next.wait.tell(l.broken)
	l.next.wait = nil
	l.makeRoom()
}

// heal notes that the trail takes events again, and in the trail how many it did not.
func (l *Log) heal() {
	if l.broken != nil {
		l.tell.Warn("audit trail is written again", "lost", l.lost.events)
		l.broken = nil
	}
	if g := l.lost; g.events > 0 {
		l.lost = gap{}
		l.noteEvent(&Event{
			Action: "audit.gap", Reason: g.cause, Since: g.since,
			Detail: map[string]string{"events": strconv.Itoa(g.events), "until": string(appendTime(nil, g.till))},
		})
	}
}

func (l *Log) makeRoom() {
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// note puts down what the trail has to say about itself. mu is held, or nobody
// else knows the trail yet.
func (l *Log) note(action string, n int, of, why string) {
	l.noteEvent(&Event{Action: action, Reason: why, Detail: map[string]string{of: strconv.Itoa(n)}})
}

func (l *Log) noteEvent(e *Event) {
	e.Time, e.Kind, e.By, e.Phase = l.cfg.Now(), config.AuditAdmin, "gatehouse", Result
	l.add(appendEvent(nil, e), true)
}

// hung is called when the scribe has been with the sink for too long.
func (l *Log) hung() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.began.IsZero() && time.Since(l.began) >= l.cfg.Patience {
		l.fail(fmt.Errorf("it took nothing for %v", l.cfg.Patience))
	}
}

// care is done now and then: the file may have been moved, lines may not be on
// disk yet, refusals may have to be summed up, and what is broken may be whole again.
func (s *scribe) care(sync bool) {
	err := s.watched(func() error {
		err := s.sink.look()
		if err == nil && sync && s.dirty > 0 && len(s.hand.lines) == 0 {
			err = s.sync(false)
		}
		return err
	})
	if err != nil {
		s.doubt(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.fail(err)
	case s.broken != nil && len(s.hand.lines)+len(s.next.lines) == 0:
		s.heal()
	}
	if s.broken == nil {
		s.sums(false)
	}
	if cap(s.spare) > 4*writeSize { // of a burst that is over by now
		s.spare = nil
	}
}

// last writes down what is left, for the last time.
func (s *scribe) last() error {
	s.mu.Lock()
	s.sums(true)
	s.mu.Unlock()
	for s.turn() {
	}
	var err error
	if s.dirty > 0 {
		err = s.sink.sync(false)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.events + s.lost.events; n > 0 {
		err = errors.Join(s.broken, err, fmt.Errorf("%d events are lost", n))
	}
	return errors.Join(err, s.sink.close())
}
