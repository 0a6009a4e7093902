package policy

import "slices"

// index finds the rules whose patterns match a name. What a search costs grows
// with the name, not with the rules that are about other names: a pattern
// without a star is found in a map; any other by its beginning in a tree, then
// by its end in another, then by the longest word between its stars in a third.
type index struct {
	exact  map[string]*bucket
	begins tree[tree[cell]]
	some   bool // there is a pattern
}

// cell has patterns that begin and end alike.
type cell struct {
	plain bucket // with nothing between but one star
	words tree[[]wordy]
	wordy bool // there are words
}

// wordy is a pattern with words between stars.
type wordy struct {
	glob   *glob
	bucket bucket
}

// bucket has the rules of one pattern.
type bucket struct {
	all      []int32
	byTenant map[string][]int32
}

func (b *bucket) add(rule int32, tenants []string) {
	if len(tenants) == 0 {
		b.all = append(b.all, rule)
		return
	}
	if b.byTenant == nil {
		b.byTenant = map[string][]int32{}
	}
	for _, t := range tenants {
		b.byTenant[t] = append(b.byTenant[t], rule)
	}
}

// of adds the rules that may be about a tenant; those of all, if it is not known.
func (b *bucket) of(tenant string, into []int32) []int32 {
	into = append(into, b.all...)
	if tenant != "" {
		return append(into, b.byTenant[tenant]...)
	}
	for _, rules := range b.byTenant {
		into = append(into, rules...)
	}
	return into
}

// add puts a rule under one of its patterns.
func (x *index) add(rule int32, g *glob, tenants []string) {
	x.some = true
	if g.whole {
		if x.exact == nil {
			x.exact = map[string]*bucket{}
		}
		if x.exact[g.prefix] == nil {
			x.exact[g.prefix] = &bucket{}
		}
		x.exact[g.prefix].add(rule, tenants)
		return
	}
	made(made(x.begins.at(g.prefix)).at(backwards(g.suffix))).add(rule, g, tenants)
}

// made makes what is not there.
func made[T any](place **T) *T {
	if *place == nil {
		*place = new(T)
	}
	return *place
}

func (c *cell) add(rule int32, g *glob, tenants []string) {
	if len(g.middles) == 0 {
		c.plain.add(rule, tenants)
		return
	}
	word := g.middles[0]
	for _, m := range g.middles {
		if len(m) > len(word) {
			word = m
		}
	}
	c.wordy = true
	list := made(c.words.at(word))
	i := slices.IndexFunc(*list, func(w wordy) bool { return slices.Equal(w.glob.middles, g.middles) })
	if i < 0 {
		i = len(*list)
		*list = append(*list, wordy{glob: g})
	}
	(*list)[i].bucket.add(rule, tenants)
}

// of adds the rules that match a name and may be about a tenant, in the order
// in which they were given and each once.
func (x *index) of(name, tenant string, into []int32) []int32 {
	if b := x.exact[name]; b != nil {
		into = b.of(tenant, into)
	}
	for n, rest := &x.begins, name; n != nil; {
		if n.here != nil {
			into = ending(n.here, rest, tenant, into)
		}
		if n = n.next(rest); n != nil {
			rest = rest[len(n.label):]
		}
	}
	if len(into) > 1 {
		slices.Sort(into)
		into = slices.Compact(into)
	}
	return into
}

// ending is of for what is behind the beginning of a pattern.
func ending(n *tree[cell], rest, tenant string, into []int32) []int32 {
	for n != nil {
		if n.here != nil {
			into = n.here.of(rest, tenant, into)
		}
		if n = n.previous(rest); n != nil {
			rest = rest[:len(rest)-len(n.label)]
		}
	}
	return into
}

func (c *cell) of(middle, tenant string, into []int32) []int32 {
	into = c.plain.of(tenant, into)
	if !c.wordy {
		return into
	}
	var room [16]*[]wordy
	met := room[:0] // a word may be there a thousand times, and its patterns are tried once
	for i := range len(middle) {
		for n, rest := &c.words, middle[i:]; n != nil; {
			if n.here != nil && !slices.Contains(met, n.here) {
				met = append(met, n.here)
				into = between(*n.here, middle, tenant, into)
			}
			if n = n.next(rest); n != nil {
				rest = rest[len(n.label):]
			}
		}
	}
	return into
}

func between(list []wordy, middle, tenant string, into []int32) []int32 {
	for i := range list {
		if list[i].glob.between(middle) {
			into = list[i].bucket.of(tenant, into)
		}
	}
	return into
}
