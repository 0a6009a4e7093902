package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"time"
)

// How attempts are slowed down. Nothing locks an account for good: whoever
// fails on purpose under somebody's name makes them wait a minute at most, in a
// browser that is new to us, and not at all in one in which they signed in
// before, or with a passkey.
//
// A code is only asked for after the right password, so who guesses codes knows
// that: they wait longer.
func paceOfName() Pace {
	return Pace{Free: 5, First: time.Second, Most: time.Minute, Calm: 24 * time.Hour}
}

func paceOfCode() Pace {
	return Pace{Free: 5, First: 5 * time.Second, Most: time.Hour, Calm: 24 * time.Hour}
}

func paceOfAddress() Pace {
	return Pace{Free: 30, First: time.Second, Most: 5 * time.Minute, Calm: time.Hour}
}

// bucket names what attempts are counted by. There are a million of each kind:
// a stranger who tries every name there could be takes no more room than that.
func bucket(kind, what string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + what))
	sum[2] &= 0xf0
	return kind + ":" + hex.EncodeToString(sum[:3])
}

// network is what an address is counted by: IPv6 by /64, which is one household.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return p.String()
}

// attempt counts one more, by address and by something else, before anything is
// judged. It returns a *Wait when it is too early.
func (s *Service) attempt(ctx context.Context, from netip.Addr, by string, p Pace) error {
	now := s.now()
	if from.IsValid() {
		wait, err := s.Store.Attempt(ctx, bucket("from", network(from)), now, paceOfAddress())
		if err != nil {
			return known(err)
		}
		if wait > 0 {
			return &Wait{wait}
		}
	}
	wait, err := s.Store.Attempt(ctx, by, now, p)
	if err != nil {
		return known(err)
	}
	if wait > 0 {
		return &Wait{wait}
	}
	return nil
}

// forgive takes back what was counted of somebody who was right. The address
// keeps what it tried under other names.
func (s *Service) forgive(ctx context.Context, from netip.Addr, by string) error {
	if from.IsValid() {
		if err := s.Store.Forgive(ctx, bucket("from", network(from)), 1); err != nil {
			return known(err)
		}
	}
	return known(s.Store.Forgive(ctx, by, 0))
}
