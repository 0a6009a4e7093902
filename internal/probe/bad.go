package probe

// refusesBad judges a credential that somebody gave us because it has to be refused.
func (r *run) refusesBad(t *tally, kind Bad, what string) {
	if !r.guarded(t) {
		return
	}
	c := r.o.Bad[kind]
	if c == "" && kind != BadExpired && kind != BadRevoked && r.metadata().used == nil {
		t.without("the server says of no tokens that it takes them")
		return
	}
	if c == "" {
		t.unknown(nil, "needs one: --bad-token %s=SOURCE", kind)
		return
	}
	x := r.tries(c)
	switch k := x.kind(); {
	case k == served:
		t.fail(x, "%s is served", what)
	case k == challenged || k == saidNo:
	case k == forbidden:
		t.warn(x, "%s is refused with 403 in place of 401: clients do not ask for another", what)
	default:
		t.unknown(x, "%s", sight(x))
	}
	t.pass(nil, "%s → 401", what)
}

// tries brings a credential that has to be refused, in the era that the server
// speaks: a message of the other one is not understood, whoever sends it. Where the
// era is not known the older one is asked only if the newer says nothing, for each
// request counts as a failed attempt there. No session goes with it, because a
// refusal could be meant for that.
func (r *run) tries(credential string) *Exchange {
	if r.o.Credential != "" {
		r.signIn()
	}
	older := initialize(bearer(credential))
	if s := r.facts.session; s != nil && s.era == "legacy" {
		return r.ask(older)
	}
	x := r.ask(modern("tools/list", nil, bearer(credential)))
	if k := x.kind(); k == served || k.refuses() {
		return x
	}
	if y := r.ask(older); y.kind() == served {
		return y
	}
	return x
}
