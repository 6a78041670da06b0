package mirror

import "github.com/isthmus-dns/isthmus/catalog"

// memo keeps what a Mirrors returned for as long as the original stays the same
// value, so that a change of one service costs one mirror.
type memo struct {
	from    source
	was, is map[catalog.Entry]made

	wasJoined, isJoined map[pair]madeJoin
}

// pair is a native at the target and what it asks for.
type pair struct{ native, src catalog.Entry }

type madeJoin struct {
	mirror catalog.Entry
	err    error
}

type made struct {
	mirrors []catalog.Entry
	err     error
}

// round returns mirrors by way of the memo, for one walk: what that does not ask
// for is forgotten by the next.
func (m *memo) round(from source, mirrors Mirrors) entries {
	m.was, m.is = m.is, make(map[catalog.Entry]made, len(m.is))
	m.wasJoined, m.isJoined = m.isJoined, map[pair]madeJoin{}
	if m.from != from {
		m.from, m.was, m.wasJoined = from, nil, nil
	}
	return func(src catalog.Entry) ([]catalog.Entry, error) {
		d, known := m.was[src]
		if !known {
			d.mirrors, d.err = mirrors.entries(src)
		}
		m.is[src] = d
		return d.mirrors, d.err
	}
}

// joined returns joinOf by way of the memo, for the walk that round began.
func (m *memo) joined(joinOf JoinOf) joinEntries {
	return func(native, src catalog.Entry) (catalog.Entry, error) {
		d, known := m.wasJoined[pair{native, src}]
		if !known {
			d.mirror, d.err = joinOf.entries(native, src)
		}
		m.isJoined[pair{native, src}] = d
		return d.mirror, d.err
	}
}

// more returns mirrors by way of the memo, for what came after the last walk.
func (m *memo) more(mirrors Mirrors) entries {
	return func(src catalog.Entry) ([]catalog.Entry, error) {
		d, known := m.is[src]
		if !known {
			d.mirrors, d.err = mirrors.entries(src)
			m.is[src] = d
		}
		return d.mirrors, d.err
	}
}

// forget drops what was made of originals that are there no more.
func (m *memo) forget(past []catalog.Entry) {
	for _, src := range past {
		delete(m.is, src)
	}
}
