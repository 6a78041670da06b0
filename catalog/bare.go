package catalog

import "maps"

// bared returns what is kept of svc: a mirror without its content where the
// original's registry is here, if the policy has it so, and svc otherwise.
func (s *Snapshot) bared(svc *Service) *Service {
	if svc.Mark == nil || svc.Bare || !s.policy.of(svc.Origin).Bare || !s.hasOriginal(svc) {
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
		if svc, ok := o.services.Get(Ref{Key: m.Key}); ok {
			return o.state.Identity, svc.Key
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
		for _, svc := range o.services.All() {
			switch {
			case svc.Bare:
				hollow = hollow || !s.hasOriginal(svc)
			case bare:
				s.rebare(o, svc)
			}
		}
		o.state.Hollow = hollow
	}
}

// rebare keeps a mirror of o bare from now on, if it can be.
func (s *Snapshot) rebare(o *origin, svc *Service) {
	if bare := s.bared(svc); bare != svc {
		s.unlist(svc)
		o.services = o.services.Set(svc.Ref(), bare)
	}
}
