package kubernetes

import (
	"context"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// putJoin makes the slices that join the native Service of svc's key what they
// should be; none takes them away. The Service itself is never written, and owns
// the slices, so that they go with it.
func (s *server) putJoin(ctx context.Context, svc *catalog.Service, want []*discoveryv1.EndpointSlice) (string, error) {
	have, err := s.readLive(ctx, named(svc.Key))
	if err != nil {
		return "", err
	}
	if m := kubeobject.MarkOf(have.service); m != nil {
		return "", fmt.Errorf("the Service to join is a copy by %q: %w", m.Owner, registry.ErrNotOwned)
	}
	for name, slice := range have.slices {
		switch m := kubeobject.JoinOf(slice); {
		case m == nil: // no part of it, such as what an old mirror left
			delete(have.slices, name)
		case m.Format > catalog.MarkFormat:
			return "", fmt.Errorf("endpoint slice %q has a mark of format %d: %w", name, m.Format, registry.ErrNotOwned)
		}
	}
	if have.joinVersion() != svc.Version {
		return "", registry.ErrConflict
	}
	if err := s.putSlices(ctx, have, want); err != nil {
		return "", err
	}
	return have.joinVersion(), nil
}

// joinVersion is the version of what joins a Service; "" if nothing does.
func (h *stored) joinVersion() string {
	return kubeobject.JoinVersion(kubeobject.Sorted(h.slices))
}
