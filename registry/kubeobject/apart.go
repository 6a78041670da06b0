package kubeobject

import (
	"cmp"
	"errors"
	"slices"

	"github.com/isthmus-dns/isthmus/catalog"
)

// A native Service may be joined: a bridge adds slices of its own to it. Whoever
// serves names takes them for a part of the Service, as kube-proxy does. A
// bridge has to tell them apart, since a mirror is never a source.

// Apart is Join, but for what bridges added to a native Service: that is a mirror
// of its own for each owner, sorted by owner. Of the Service the endpoints are as
// Fold has them.
func (h *Head) Apart(parts []*Part) (svc *catalog.Service, joined []*catalog.Service, err error) {
	if h.svc == "" {
		return nil, nil, h.err
	}
	out := h.svc.Service()
	if out.Mark != nil {
		svc, err = h.join(out, parts)
		return svc, nil, err
	}
	var native []*Part
	added := map[string][]*Part{}
	for _, p := range parts {
		if p.joins == nil {
			native = append(native, p)
			continue
		}
		added[p.owner] = append(added[p.owner], p)
	}
	svc, err = h.complete(out, native, h.weight == 0)
	errs := []error{err}
	for _, of := range added {
		one, err := joining(out.Key, of)
		joined, errs = append(joined, one), append(errs, err)
	}
	slices.SortFunc(joined, func(a, b *catalog.Service) int { return cmp.Compare(a.Mark.Owner, b.Mark.Owner) })
	return svc, joined, errors.Join(errs...)
}

// joining returns what slices of one owner add to the native Service key.
func joining(key catalog.Key, parts []*Part) (*catalog.Service, error) {
	slices.SortFunc(parts, func(a, b *Part) int { return cmp.Compare(a.Name(), b.Name()) })
	mark := *parts[0].joins
	s := &catalog.Service{Key: key, Mark: &mark, Type: catalog.Headless, Endpoints: joined(parts), Version: versionOf("joins", parts)}
	s.Ports = portsOf(s.Endpoints)
	var errs []error
	for _, p := range parts {
		errs = append(errs, p.err)
		mark.Format = max(mark.Format, p.joins.Format)
	}
	return s, errors.Join(errs...)
}
