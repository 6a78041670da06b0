package simulation

import (
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

// stakes are the instances that mirrors of the bridge have at one side: what the
// percents of a limit are of.
type stakes struct {
	of     map[catalog.Ref]stake
	totals map[catalog.Identity][]total // by the source, oldest first
}

type stake struct {
	source    catalog.Identity
	instances int
}

// total is how many there were from a moment on.
type total struct {
	since time.Time
	is    int
}

func newStakes() stakes {
	return stakes{map[catalog.Ref]stake{}, map[catalog.Identity][]total{}}
}

// set takes note of what stands under a name now; nil: nothing.
func (s stakes) set(ref catalog.Ref, is *catalog.Service) {
	was, there := s.of[ref]
	if there {
		s.add(was.source, -was.instances)
		delete(s.of, ref)
	}
	if is != nil && is.Mark != nil && is.Mark.Owner == owner && is.Mark.Format <= catalog.MarkFormat {
		s.of[ref] = stake{is.Mark.Of, len(is.Endpoints)}
		s.add(is.Mark.Of, len(is.Endpoints))
	}
}

func (s stakes) add(source catalog.Identity, n int) {
	all := s.totals[source]
	if n == 0 {
		return
	}
	if len(all) > 0 {
		n += all[len(all)-1].is
	}
	s.totals[source] = append(all, total{time.Now(), n})
}

// most returns the greatest total that there was since a moment.
func (s stakes) most(source catalog.Identity, since time.Time) int {
	most := 0
	all := s.totals[source]
	for i := len(all) - 1; i >= 0; i-- {
		most = max(most, all[i].is)
		if all[i].since.Before(since) {
			break
		}
	}
	return most
}

// stands takes note of a write of somebody who is no bridge under test.
func (s *side) stands(ref catalog.Ref, is *catalog.Service) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.stakes.set(ref, is)
	delete(s.made, ref)
}

// spent is one loss.
type spent struct {
	at time.Time
	mirror.Loss
}

// exceeds reports whether a loss is more than the rule's limit allows, after those
// of its ledger. What the percents are of may be what the bridge saw before.
func (c *write) exceeds(all []spent, hold time.Duration, is mirror.Loss) bool {
	before := 0 // what went no longer counts as being there
	for _, one := range all {
		switch ago := c.now.Sub(one.at); {
		case ago < hold-time.Second:
			is.Services, is.Instances = is.Services+one.Services, is.Instances+one.Instances
			before += one.Instances
		case ago < hold+time.Second+c.longest:
			before += one.Instances
		}
	}
	limit := c.rule.Limit
	of := before + c.to.stakes.most(c.from.identity, c.horizon(c.to.blinded))
	if is.Services > limit.Services && is.Instances*100 <= limit.Percent*of {
		c.reached["more services than the limit, few of all instances"]++
		return false
	}
	return is.Services > limit.Services
}

// takes is the loss of a write.
func (c *write) takes() mirror.Loss {
	n := len(c.was.Endpoints)
	if c.is == nil {
		n = max(1, n)
	}
	return mirror.Loss{Services: 1, Instances: n}
}
