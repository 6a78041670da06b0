package catalog

import "iter"

// Entry is a service as a catalog keeps it, packed where the policy has it so. It
// is immutable. Two that are == are one: the same service in the same version. The
// zero Entry is none.
type Entry struct{ h *held }

// NewEntry packs s, which it does not keep, into an Entry that stands in no
// catalog.
func NewEntry(s *Service) Entry {
	packing := Snapshot{policy: &Policy{Packed: true}}
	return Entry{packing.hold(s)}
}

// IsZero reports whether e is none.
func (e Entry) IsZero() bool { return e.h == nil }

// Ref is the service's name within its origin.
func (e Entry) Ref() Ref { return e.h.Ref }

// Mark is the service's; nil for a native one. It is not modified.
func (e Entry) Mark() *Mark { return e.h.mark }

// Service returns the service, whole, or nil for the zero Entry; see
// Policy.Packed.
func (e Entry) Service() *Service { return e.h.service() }

// Head returns the service, of whose endpoints some may be left out: it costs
// less than Service.
func (e Entry) Head() *Service {
	if e.h.packed == "" {
		return e.h.service()
	}
	svc := e.h.packed.head()
	svc.Origin = e.h.origin
	return svc
}

// Endpoints is how many the service has; of a bare one none are known.
func (e Entry) Endpoints() int { return int(e.h.endpoints) }

// Same is Service.Same. Of packed services nothing is unpacked.
func (e Entry) Same(o Entry) bool {
	a, b := e.h, o.h
	if a.packed != "" && b.packed != "" && a.folded == "" && b.folded == "" {
		return a.packed[:a.says] == b.packed[:b.says]
	}
	return a.service().Same(b.service())
}

// Entries visits what one origin holds, native services and mirrors, in no order.
func (s *Snapshot) Entries(o Origin) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if s.origins[o] == nil {
			return
		}
		for _, h := range s.origins[o].services.All() {
			if !yield(Entry{h}) {
				return
			}
		}
	}
}

// Entry returns one service of one origin, or the zero Entry.
func (s *Snapshot) Entry(o Origin, ref Ref) Entry {
	if s.origins[o] == nil {
		return Entry{}
	}
	h, _ := s.origins[o].services.Get(ref)
	return Entry{h}
}
