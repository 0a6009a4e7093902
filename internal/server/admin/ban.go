package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/internal/adminapi"
	"github.com/gatehouse-mcp/gatehouse/internal/ratelimit"
)

// Bans keeps addresses out: ratelimit.Bans.
type Bans interface {
	// List returns the bans in force.
	List() []ratelimit.Ban
	// Add bans a network for some time; ratelimit.ErrPrefix or ErrFull when it cannot be.
	Add(p netip.Prefix, long time.Duration, reason string) (*ratelimit.Ban, error)
	// Remove lifts the ban of exactly this network, and says whether there was one.
	Remove(p netip.Prefix) bool
}

// bans are the endpoints about bans.
type bans struct{ *Admin }

const maxBanReason = 200 // characters

// noServer is the answer where there are no bans: they would end with this command.
func noServer() error {
	return &adminapi.Error{
		Status: http.StatusServiceUnavailable, Code: "GH-2409",
		Message: "Bans live in a running server, and none runs over this installation. Start it: gatehouse serve or gatehouse up",
	}
}

func (b *bans) list(*http.Request) (reply, error) {
	if b.Bans == nil {
		return reply{}, noServer()
	}
	list := b.Bans.List()
	out := make([]adminapi.Ban, len(list))
	for i := range list {
		out[i] = wireBan(&list[i])
	}
	return reply{body: out}, nil
}

func (b *bans) add(r *http.Request) (reply, error) {
	var in adminapi.NewBan
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	if b.Bans == nil {
		return reply{}, noServer()
	}
	p, err := network(in.Address)
	if err != nil {
		return reply{}, err
	}
	long := adminapi.DefaultBan
	if in.For != "" {
		if long, err = adminapi.ParseDuration(in.For); err != nil {
			return reply{}, bad(err.Error())
		}
	}
	switch n := len([]rune(in.Reason)); {
	case long <= 0:
		return reply{}, bad("A ban of no time is none. Say for how long: 1h, 7d.")
	case n > maxBanReason:
		return reply{}, bad(fmt.Sprintf("The reason has %d characters, at most %d.", n, maxBanReason))
	}
	for _, c := range in.Reason {
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return reply{}, bad(fmt.Sprintf("The reason contains %U, which does not print.", c))
		}
	}
	if dryRun(r) {
		now := b.Now().UTC()
		w := wireBan(&ratelimit.Ban{Prefix: p, Since: now, Until: now.Add(long), Reason: in.Reason})
		w.DryRun = true
		return reply{body: w}, nil
	}
	one, err := b.Bans.Add(p, long, in.Reason)
	switch {
	case errors.Is(err, ratelimit.ErrFull):
		return reply{}, conflict("There are as many bans by operators as can be. Lift one, or ban a wider network.")
	case err != nil:
		return reply{}, err
	}
	w := wireBan(one)
	b.Log.Info("ban added", "address", w.Address, "until", w.Until, "reason", in.Reason, "by", b.By)
	return reply{status: http.StatusCreated, body: w}, nil
}

func (b *bans) lift(r *http.Request) (reply, error) {
	var in adminapi.LiftBan
	if err := read(r, &in); err != nil {
		return reply{}, err
	}
	if b.Bans == nil {
		return reply{}, noServer()
	}
	p, err := network(in.Address)
	if err != nil {
		return reply{}, err
	}
	var one *ratelimit.Ban
	var wider string
	for _, ban := range b.Bans.List() {
		switch {
		case ban.Prefix == p:
			one = &ban
		case ban.Prefix.Overlaps(p):
			wider = wireBan(&ban).Address
		}
	}
	dry := dryRun(r)
	if one == nil || !dry && !b.Bans.Remove(p) { // it may have ended a moment ago
		message := fmt.Sprintf("No ban is of %s.", short(p))
		if wider != "" {
			message += fmt.Sprintf(" There is one of %s: gatehouse ban remove %[1]s", wider)
		} else {
			message += " List them with: gatehouse ban list"
		}
		return reply{}, &adminapi.Error{Status: http.StatusNotFound, Code: codeNotFound, Message: message}
	}
	w := wireBan(one)
	if w.DryRun = dry; !dry {
		b.Log.Info("ban lifted", "address", w.Address, "by", b.By)
	}
	return reply{body: w}, nil
}

// network reads an address, or a network.
func network(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return p, bad(fmt.Sprintf("%.80q is not an address like 198.51.100.7 or a network like 203.0.113.0/24.", text))
		}
		return ratelimit.Counted(a), nil
	}
	out, err := ratelimit.Network(p)
	switch {
	case err != nil:
		return p, bad(fmt.Sprintf("%s is too wide a network to be banned: a slip would keep everybody out.", p))
	case p != p.Masked():
		return p, bad(fmt.Sprintf("Network %s: did you mean %s or %s?", p, p.Masked(), p.Addr()))
	}
	return out, nil
}

func wireBan(b *ratelimit.Ban) adminapi.Ban {
	return adminapi.Ban{
		Address: short(b.Prefix), Since: b.Since.UTC(), Until: b.Until.UTC(),
		Attempts: b.Attempts, Code: b.Code, Reason: b.Reason,
	}
}

// short writes a network of one address as that address, unless it would be
// read as a /64.
func short(p netip.Prefix) string {
	if p.Addr().Is4() && p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
