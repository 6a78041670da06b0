package mirror

import (
	"errors"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Beside says why ours cannot stand beside theirs, which somebody else has under
// its name; nil if it can. It is pure.
type Beside func(ours, theirs *catalog.Service) error

var errAlias = errors.New("an alias stands alone")

// inTheWay returns who keeps a name from a mirror, and why it cannot stand beside
// that, if its rule shares names; none if it may have the name.
//
//	under the name                        the rule shares  then
//	nobody else                           -                it may
//	a native or another owner's mirror    no               that is in the way
//	some, and the target can hold all     yes              it may
//	some, one of which is an alias        yes              that is in the way, as every one is in an alias' way
//	one that the target cannot hold with  yes              that is in the way
func (w *Wanted) inTheWay(want catalog.Entry, there spot) (catalog.Entry, error) {
	if there.stranger.IsZero() || !w.ruleOf(want.Mark()).Share || w.beside == nil {
		return there.stranger, nil
	}
	ours := want.Service()
	for _, s := range append([]catalog.Entry{there.stranger}, there.more...) {
		if err := w.besideOne(ours, s.Service()); err != nil {
			return s, err
		}
	}
	return catalog.Entry{}, nil
}

func (w *Wanted) besideOne(ours, theirs *catalog.Service) error {
	if ours.Type == catalog.ExternalName || theirs.Type == catalog.ExternalName {
		return errAlias
	}
	return w.beside(ours, theirs)
}
