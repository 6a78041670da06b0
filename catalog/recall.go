package catalog

import (
	"iter"
	"time"
)

// Past is what one origin held when an earlier run of a program knew it last.
type Past struct {
	Origin     Origin
	Identity   Identity
	At         time.Time // when it was last known to be so
	Namespaces []string
	Pods       []*Pod
	Services   []Packed // so that they are never all there whole
	Listing    *Listing // what its directory held; nil: nothing is known of that
}

// Listing is what a Directory held. Its nodes and services belong to whoever
// recalls it.
type Listing struct {
	Datacenter string
	Nodes      []*Node
	Services   []*Service
}

func (l *Listing) directory(o Origin) *directory {
	d := newDirectory()
	d.replaceNodes(l.Datacenter, l.Nodes)
	d.replaceListed(o, l.Services)
	return d
}

// Known reports whether the origin's content is known: from itself, or from
// the past. Readers that answer go by it: what is absent from a past counts as
// absent, as it does while an origin is lost that was read before.
func (st State) Known() bool { return st.Synced || !st.Stale.IsZero() }

// Recall makes the origin hold what it did in the past, stale and not synced,
// until its first Replace, or until Identify says that it is another registry.
// It is false, and does nothing, once the origin reported anything: what comes
// before its first Replace would be lost.
func (f *Feed) Recall(p Past) (done bool) {
	f.edit(func(s *Snapshot, o *origin) bool {
		done = !o.state.Synced && o.state.Identity == "" && o.namespaces.Len()+o.pods.Len() == 0 && o.directory == nil
		if !done {
			return false
		}
		for _, ns := range p.Namespaces {
			s.putNamespace(o, ns)
		}
		for _, pod := range p.Pods {
			s.putPod(o, pod)
		}
		s.putAll(o, func(yield func(*Service) bool) {
			for _, svc := range p.Services {
				if !yield(svc.Service()) {
					return
				}
			}
		})
		if p.Listing != nil {
			o.directory = p.Listing.directory(o.state.Origin)
		}
		o.state.Identity, o.state.Stale, o.state.News = p.Identity, p.At, p.At
		s.newRegime(o)
		return true
	})
	return done
}

// Known reports whether the content of every origin is: see State.
func (s *Snapshot) Known() bool {
	for _, o := range s.origins {
		if !o.state.Known() {
			return false
		}
	}
	return true
}

// Namespaces visits the namespaces that o holds, in no order.
func (s *Snapshot) Namespaces(o Origin) iter.Seq[string] {
	return func(yield func(string) bool) {
		if s.origins[o] == nil {
			return
		}
		for ns := range s.origins[o].namespaces.All() {
			if !yield(ns) {
				return
			}
		}
	}
}

// PodsFrom visits the pods that o holds, in no order.
func (s *Snapshot) PodsFrom(o Origin) iter.Seq[*Pod] {
	return func(yield func(*Pod) bool) {
		if s.origins[o] == nil {
			return
		}
		for _, p := range s.origins[o].pods.All() {
			if !yield(p) {
				return
			}
		}
	}
}
