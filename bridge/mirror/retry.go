package mirror

import (
	"errors"
	"maps"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 30 * time.Second
	forget     = time.Minute // after which a write that needed no repeat is forgotten
)

// retries remembers what was written lately, so that a write which fails, or
// which somebody undoes at once, is repeated ever more slowly. A service that
// wants something else than it did is written without delay.
type retries map[catalog.Ref]attempt

type attempt struct {
	want  catalog.Entry // none: a deletion
	tries int
	due   time.Time // not again before
	err   error     // of the last try
}

// ready returns the changes that may be written now, and when the first of the
// others is due.
func (r retries) ready(changes []Change, now time.Time) (may []Change, due time.Time) {
	for _, c := range changes {
		a, known := r[c.Ref()]
		if !known || a.want != c.want || !now.Before(a.due) {
			may = append(may, c)
			continue
		}
		due = earliest(due, a.due)
	}
	return may, due
}

// note remembers what became of a change.
func (r retries) note(o outcome, now time.Time) {
	a := r[o.Ref()]
	if a.want != o.want {
		a = attempt{want: o.want}
	}
	a.tries++
	a.err = o.Err
	a.due = now.Add(pause(a.tries, o.Err))
	r[o.Ref()] = a
}

// afresh lets at once what failed be tried again, since the target was away or is
// back. What it refused for good waits as before, and so does what others undo.
func (r retries) afresh() {
	maps.DeleteFunc(r, func(_ catalog.Ref, a attempt) bool {
		return a.err != nil && !errors.Is(a.err, registry.ErrInvalid)
	})
}

func pause(tries int, err error) time.Duration {
	if errors.Is(err, registry.ErrInvalid) {
		return lastRetry
	}
	return min(firstRetry<<min(tries-1, 20), lastRetry)
}

// tidy forgets the attempts that need no repeat: all but those of pending.
func (r retries) tidy(pending map[catalog.Ref]bool, now time.Time) {
	maps.DeleteFunc(r, func(ref catalog.Ref, a attempt) bool {
		return !pending[ref] && now.Sub(a.due) > forget
	})
}

// earliest returns the earlier of two moments; the zero time is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
