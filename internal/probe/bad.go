package probe

// refuses judges a credential that somebody gave us because it has to be refused.
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
	// Each of the two eras may be guarded by other code.
	for _, a := range []ask{modern("tools/list", nil, bearer(c)), initialize(bearer(c))} {
		x := r.ask(a)
		switch k := x.kind(); {
		case k == served:
			t.fail(x, "%s is served", what)
		case k == challenged || k == saidNo:
		case k == forbidden:
			t.warn(x, "%s is refused with 403 in place of 401: clients do not ask for another", what)
		default:
			t.unknown(x, "%s", sight(x))
		}
	}
	t.pass(nil, "%s → 401", what)
}
