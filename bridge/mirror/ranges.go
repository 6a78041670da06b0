package mirror

import (
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// rangeRefused is why instances are left out whose addresses are the target's to
// give. Whoever can write to the source would be answered for by a Service of
// somebody else's, whose address it is now or some day. What was mirrored of
// such an original before is no better, and does not stand.
type rangeRefused struct{ error }

// Unwrap returns an error that wraps registry.ErrInvalid.
func (e rangeRefused) Unwrap() error { return e.error }

// outside returns the instances of r's mirrors without those whose address is in
// one of the target's ranges; refused, a rangeRefused, names the first.
func (from source) outside(r *Rule, all []catalog.Endpoint) (outside []catalog.Endpoint, refused error) {
	for _, e := range all {
		in, is := from.ranges.Of(e.Host.Addr)
		switch {
		case !is:
			outside = append(outside, e)
		case refused == nil:
			refused = rangeRefused{fmt.Errorf("address %q of instance %q is in the Service range %s of %s: %w", e.Host.Addr, e.ID, in, r.To, registry.ErrInvalid)}
		}
	}
	if refused == nil {
		return all, nil
	}
	return outside, refused
}
