package catalog

import (
	"cmp"
	"maps"
	"slices"
)

// Lookup returns the service that answers for k, unified over all origins, or
// nil. It costs no allocation where one service answers that is not packed; see
// Policy.Packed.
//
//	a service under k is                                    it answers
//	native, of an origin that speaks                        yes
//	native, of another origin, in a namespace that
//	    a speaking origin holds                             only if given that namespace
//	    no speaking origin holds                            once all who speak are known, or if given
//	    no origin speaks                                    yes
//	a mirror, under its original's key, where the
//	    original's registry is known here (by identity)     never: the original does, or its absence
//	    it is not                                           for trusted owners, or where that is its own
//	                                                        key, too; by the rules above
//	a mirror, under another key                             by the rules above; never where its original's
//	                                                        registry is known and it is kept bare
//
// Services of one origin under one key answer together. Between origins, the
// policy's Merge decides, those who speak first. An origin is known once it is
// synced, or while it is recalled.
func (s *Snapshot) Lookup(k Key) *Service {
	all, _ := s.keys.Get(k)
	var answer *Service
	for _, h := range all {
		switch {
		case !s.mayAnswer(k, h):
		case answer == nil:
			answer = h.service()
		case answer.Origin == h.origin || s.policy.Merge == Union:
			answer = join(k, answer, h.service())
		case s.policy.Merge == Failover && answer.ReadyEndpoints() == 0:
			if svc := h.service(); svc.ReadyEndpoints() > 0 {
				answer = svc
			}
		}
	}
	if answer != nil && answer.Key != k {
		return renamed(k, answer)
	}
	return answer
}

func (s *Snapshot) mayAnswer(k Key, h *held) bool {
	op := s.policy.of(h.origin)
	if h.mark != nil && (h.mark.Key == k || op.Bare) && s.hasOriginal(h.mark) {
		return false
	}
	if op.Speaks || !s.policy.speakers() || op.given(k.Namespace) {
		return true
	}
	return !protected(k.Namespace) && s.spoken() && !s.spokenFor(k.Namespace)
}

// hasOriginal reports whether the registry that a mirror of this mark is a copy
// from is one of the origins here and known: then that origin knows better.
func (s *Snapshot) hasOriginal(m *Mark) bool {
	if m.Of == "" {
		return false
	}
	for _, o := range s.origins {
		if o.state.Known() && o.state.Identity == m.Of {
			return true
		}
	}
	return false
}

// spoken reports whether every origin that speaks for namespaces is known.
func (s *Snapshot) spoken() bool {
	for _, op := range s.policy.Origins {
		if op.Speaks && !s.origins[op.Origin].state.Known() {
			return false
		}
	}
	return true
}

// spokenFor reports whether an origin that speaks holds ns.
func (s *Snapshot) spokenFor(ns string) bool {
	for _, op := range s.policy.Origins {
		if op.Speaks && s.HoldsNamespace(op.Origin, ns) {
			return true
		}
	}
	return false
}

// Namespace reports whether ns exists: an origin that speaks holds it, or a
// service in it may answer.
func (s *Snapshot) Namespace(ns string) bool {
	n, known := s.namespaces.Get(ns)
	if !known {
		return false
	}
	if s.spokenFor(ns) || !s.policy.speakers() {
		return true
	}
	if n.Keys == 0 {
		return false
	}
	for _, op := range s.policy.Origins {
		if op.given(ns) {
			return true
		}
	}
	return !protected(ns) && s.spoken()
}

// Pending reports whether it is not known what an origin holds that may hold
// names in ns, so that the absence of a name means nothing yet.
func (s *Snapshot) Pending(ns string) bool {
	speakers := s.policy.speakers()
	for _, op := range s.policy.Origins {
		switch {
		case s.origins[op.Origin].state.whole(), !op.mayHold(ns):
		case op.Speaks, op.given(ns), !speakers, !protected(ns) && !s.spokenFor(ns):
			return true
		}
	}
	return false
}

// PendingAddr reports whether the absence of an address means nothing yet: an
// origin that speaks for namespaces is not known, or where none does, any
// origin. The others are not waited for: while one of them is down, the
// addresses of everybody else would have no names.
func (s *Snapshot) PendingAddr() bool {
	speakers := s.policy.speakers()
	for o, known := range s.origins {
		if !known.state.whole() && (!speakers || s.policy.of(o).Speaks) {
			return true
		}
	}
	return false
}

// join returns what a and b hold together, under k. The first one's type,
// virtual addresses and alias stand.
func join(k Key, a, b *Service) *Service {
	u := *a
	u.Key = k
	u.Mark = nil
	u.Ports = slices.CompactFunc(sorted(a.Ports, b.Ports), func(x, y Port) bool { return x == y })
	u.Endpoints = slices.Concat(a.Endpoints, b.Endpoints)
	for i := len(a.Endpoints); i < len(u.Endpoints); i++ {
		u.Endpoints[i].ID = string(b.Origin) + "/" + b.Ref().Owner + "/" + u.Endpoints[i].ID
	}
	u.Meta = maps.Clone(b.Meta)
	if u.Meta == nil {
		u.Meta = a.Meta
	} else {
		maps.Copy(u.Meta, a.Meta)
	}
	u.Version = a.Version + "+" + b.Version
	slices.SortFunc(u.Endpoints, func(x, y Endpoint) int { return cmp.Compare(x.ID, y.ID) })
	return &u
}

func sorted(a, b []Port) []Port {
	all := slices.Concat(a, b)
	slices.SortFunc(all, Port.Compare)
	return all
}

func renamed(k Key, svc *Service) *Service {
	r := *svc
	r.Key = k
	return &r
}
