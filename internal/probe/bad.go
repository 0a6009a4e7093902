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
	x := r.ask(r.list(bearer(c))) // once: each counts as a failed attempt there
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
