package catalog

import "maps"

// bared returns what is kept of svc: a mirror without its content where the
// original's registry is here, if the policy has it so, and svc otherwise.
func (s *Snapshot) bared(svc *Service) *Service {
	if svc.Mark == nil || svc.Bare || !s.policy.of(svc.Origin).Bare || !s.hasOriginal(svc.Mark) {
		return svc
	}
	mark := *svc.Mark
	mark.Of, mark.Key = s.known(mark)
	return &Service{Key: svc.Key, Origin: svc.Origin, Mark: &mark, Bare: true}
}

// known returns a mark's identity and key in the words of the original's
// origin, so that many mirrors hold no words of their own.
func (s *Snapshot) known(m Mark) (Identity, Key) {
	for _, o := range s.origins {
		if o.state.Identity != m.Of {
			continue
		}
		if h, ok := o.services.Get(Ref{Key: m.Key}); ok {
			return o.state.Identity, h.Key
		}
		return o.state.Identity, m.Key
	}
	return m.Of, m.Key
}

// newRegime is called when the identity of edited changed, when it synced first
// or was taken over: what was decided by that is decided anew.
func (s *Snapshot) newRegime(edited *origin) {
	s.regime++
	for name, o := range maps.Clone(s.origins) {
		if o != edited {
			o = o.clone()
			s.putOrigin(o)
		}
		bare, hollow := s.policy.of(name).Bare, false
		for _, h := range o.services.All() {
			switch {
			case h.bare:
				hollow = hollow || !s.hasOriginal(h.mark)
			case bare && h.mark != nil:
				s.rebare(o, h.service())
			}
		}
		o.state.Hollow = hollow
	}
}

// rebare keeps a mirror of o bare from now on, if it can be.
func (s *Snapshot) rebare(o *origin, svc *Service) {
	if bare := s.bared(svc); bare != svc {
		s.keep(o, s.hold(bare))
	}
}
