package catalog

// held is a service as a catalog keeps it: whole, or packed where the policy
// has it so. It is immutable. What decides who answers is at hand either way.
type held struct {
	Ref
	origin    Origin
	mark      *Mark    // nil: native
	whole     *Service // nil: it is packed or bare
	packed    Packed
	says      int32           // how much of packed is what the service says, without its version
	folded    PackedEndpoints // beside packed, of a service that was reported so
	endpoints int32
	bare      bool // nothing else of it is kept
}

// hold returns svc as s keeps it.
func (s *Snapshot) hold(svc *Service) *held {
	h := &held{Ref: svc.Ref(), origin: svc.Origin, mark: svc.Mark, bare: svc.Bare, endpoints: int32(len(svc.Endpoints) + svc.Folded.Len())}
	switch {
	case h.bare:
	case s.policy.Packed:
		h.packed, h.says = pack(svc)
		h.folded = svc.Folded
	default:
		h.whole = svc.unfolded()
	}
	return h
}

// service returns what is held, whole; of nothing it is nil.
func (h *held) service() *Service {
	switch {
	case h == nil:
		return nil
	case h.bare:
		return &Service{Key: h.Key, Origin: h.origin, Mark: h.mark, Bare: true}
	case h.whole != nil:
		return h.whole
	}
	svc := h.packed.Service()
	svc.Origin = h.origin
	if h.folded != "" {
		svc.Endpoints = h.folded.All()
	}
	return svc
}

// is reports whether svc is held just as it is, in its version.
func (h *held) is(svc *Service) bool {
	if h.bare {
		return false
	}
	if h.packed != "" && h.folded == svc.Folded && h.packed == Pack(svc) {
		return true
	}
	old := h.service()
	return old.Version == svc.Version && old.Same(svc.unfolded())
}
