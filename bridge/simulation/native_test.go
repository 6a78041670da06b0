package simulation

import (
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// native is one service of users, also once it is gone.
type native struct {
	is     *catalog.Service // nil: it is not there
	absent time.Time        // when it last was not there; zero: it always was
	all    spells           // of its instances
	ready  spells           // of those that are ready
}

// spells are when there last was no instance, and when there last was one. Who is told
// of it after the one and the other may not see what was so for a moment only.
type spells struct {
	empty, full time.Time
	since       time.Time // when there began to be one; zero: there is none
	seen        time.Time // full, of a spell that lasted
}

// at is what counts of a native where it is mirrored to.
func (n *native) at(to *side) *spells {
	if to.ways.ReadyOnly {
		return &n.ready
	}
	return &n.all
}

// counted is how many of a native's instances a mirror here has.
func (s *side) counted(is *catalog.Service) int {
	if s.ways.ReadyOnly {
		return ready(is)
	}
	return len(is.Endpoints)
}

func ready(is *catalog.Service) int {
	n := 0
	for _, e := range is.Endpoints {
		if e.Ready {
			n++
		}
	}
	return n
}

// passed takes note that a native was as it is until now. One that is gone for no
// longer than a lull is as it was.
func (n *native) passed(now time.Time, lull, moment time.Duration) {
	switch {
	case n.is != nil:
		n.all.passed(now, len(n.is.Endpoints), moment)
		n.ready.passed(now, ready(n.is), moment)
	case now.Sub(n.all.seen) >= lull:
		n.absent = now
		n.all.passed(now, 0, moment)
		n.ready.passed(now, 0, moment)
	default:
		n.all.since, n.ready.since = time.Time{}, time.Time{}
	}
}

func (s *spells) passed(now time.Time, instances int, moment time.Duration) {
	if instances == 0 {
		s.empty, s.since = now, time.Time{}
		return
	}
	if s.since.IsZero() {
		s.since = now
	}
	s.full = now
	if now.Sub(s.since) >= moment {
		s.seen = now
	}
}
