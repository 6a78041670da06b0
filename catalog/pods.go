package catalog

import (
	"maps"
	"net/netip"
	"slices"
)

// Pod is what runs at an address, be it behind a service or not. It is
// immutable once it was handed to a Feed.
type Pod struct {
	Key                // the pod's namespace and name
	Addrs []netip.Addr // at least one
	Host  bool         // the addresses are its node's, which it shares
	Node  string       // the node that it runs on; "" if none or unknown
	Meta  map[string]string
}

// Equal reports whether both say the same.
func (p *Pod) Equal(o *Pod) bool {
	return p.Key == o.Key && p.Host == o.Host && p.Node == o.Node && slices.Equal(p.Addrs, o.Addrs) && maps.Equal(p.Meta, o.Meta)
}

// ReplacePods reports all pods that the origin holds. Only an origin that was
// asked for its pods reports them, and does so before its first Replace.
func (f *Feed) ReplacePods(all []*Pod) {
	f.edit(func(s *Snapshot, o *origin) bool {
		gone := maps.Collect(o.pods.All())
		for _, p := range all {
			delete(gone, p.Key)
			s.putPod(o, p)
		}
		for k := range gone {
			s.dropPod(o, k)
		}
		return true
	})
}

// UpdatePods reports pods that are new or changed and those that are gone.
func (f *Feed) UpdatePods(set []*Pod, gone []Key) {
	f.edit(func(s *Snapshot, o *origin) bool {
		for _, k := range gone {
			s.dropPod(o, k)
		}
		for _, p := range set {
			s.putPod(o, p)
		}
		o.heard()
		return true
	})
}

// Pods returns the pods with this address, in no order.
func (s *Snapshot) Pods(a netip.Addr) []*Pod {
	all, _ := s.podsAt.Get(a)
	return all
}

func (s *Snapshot) putPod(o *origin, p *Pod) {
	s.dropPod(o, p.Key)
	o.pods = o.pods.Set(p.Key, p)
	for _, a := range p.Addrs {
		all, _ := s.podsAt.Get(a)
		s.podsAt = s.podsAt.Set(a, append(slices.Clip(all), p))
	}
}

func (s *Snapshot) dropPod(o *origin, k Key) {
	p, known := o.pods.Get(k)
	if !known {
		return
	}
	o.pods = o.pods.Delete(k)
	for _, a := range p.Addrs {
		all, _ := s.podsAt.Get(a)
		all = slices.DeleteFunc(slices.Clone(all), func(x *Pod) bool { return x == p })
		if len(all) > 0 {
			s.podsAt = s.podsAt.Set(a, all)
		} else {
			s.podsAt = s.podsAt.Delete(a)
		}
	}
}
