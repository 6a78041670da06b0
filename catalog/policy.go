package catalog

import (
	"slices"
	"strings"
)

// Policy says how the services of several origins become one answer. It is
// immutable once it was given to New.
type Policy struct {
	Origins []OriginPolicy // in order of precedence
	Merge   Merge

	// Packed is for readers of few services at a time that hold many: the catalog
	// keeps them packed, and each Get, Lookup and step of From makes a new Service.
	// It costs a few microseconds each, and a third of the memory and none of the
	// collector's work.
	Packed bool
}

// OriginPolicy is what the configuration grants one origin.
type OriginPolicy struct {
	Origin Origin
	Speaks bool     // it speaks for the namespaces that it holds (kubernetes, manifests)
	Given  []string // namespaces given to it, where it may answer beside those who speak
	Bound  bool     // it never holds a key in another namespace than those given
	Trust  []string // owners whose mirrors there answer under the key in their mark

	// Bare is for readers that serve originals only. A mirror there whose
	// original's registry is here and known answers under no key at all, and
	// no more than its key and its mark is kept. When that registry turns out
	// to be another one, State.Hollow asks for the origin to be read again.
	Bare bool
}

// Merge says what happens when several origins hold the same key.
type Merge int

// The ways to merge.
const (
	First    Merge = iota // the first origin in order that holds it
	Union                 // the endpoints of all
	Failover              // the first with a ready endpoint
)

// protected reports whether ns can never be given away.
func protected(ns string) bool {
	return ns == "default" || strings.HasPrefix(ns, "kube-")
}

// rank returns the precedence of o: who speaks comes first, then the order of
// the configuration; an origin that the policy does not name comes last.
func (p *Policy) rank(o Origin) int {
	for i := range p.Origins {
		if p.Origins[i].Origin != o {
			continue
		}
		if p.Origins[i].Speaks {
			return i
		}
		return len(p.Origins) + i
	}
	return 2 * len(p.Origins)
}

func (p *Policy) of(o Origin) OriginPolicy {
	for _, op := range p.Origins {
		if op.Origin == o {
			return op
		}
	}
	return OriginPolicy{Origin: o}
}

func (p *Policy) speakers() bool {
	return slices.ContainsFunc(p.Origins, func(op OriginPolicy) bool { return op.Speaks })
}

// mayHold reports whether the origin may hold keys in ns at all.
func (op OriginPolicy) mayHold(ns string) bool {
	return !op.Bound || slices.Contains(op.Given, ns)
}

// given reports whether the configuration gave ns to the origin.
func (op OriginPolicy) given(ns string) bool {
	return !protected(ns) && slices.Contains(op.Given, ns)
}
