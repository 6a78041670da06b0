package memory

import (
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// lull is what a client keeps of natives on a server with one.
type lull struct {
	told   map[catalog.Ref]bool      // natives that the feed has
	lapsed map[catalog.Ref]time.Time // those of them that are gone, since when
}

// keepLocked leaves out of what is to be told that natives are gone, and takes note
// of it.
func (c *client) keepLocked(l listing) listing {
	if c.server.ways.Lull == 0 {
		return l
	}
	c.foundLocked(l)
	l.gone = slices.DeleteFunc(l.gone, func(ref catalog.Ref) bool {
		if !c.lull.told[ref] {
			return false
		}
		c.lapsesLocked(ref)
		return true
	})
	return l
}

// keepAllLocked adds to what is to be told natives that are not there any more.
func (c *client) keepAllLocked(l listing, feed *catalog.Feed) listing {
	if c.server.ways.Lull == 0 {
		return l
	}
	gone := c.lull.told
	if l.identity != c.seen.identity {
		gone = nil
	}
	c.lull = lull{map[catalog.Ref]bool{}, map[catalog.Ref]time.Time{}}
	c.foundLocked(l)
	for ref := range gone {
		if was := feed.Get(ref); was != nil && !c.lull.told[ref] {
			l.set = append(l.set, read(was))
			c.lull.told[ref] = true
			c.lapsesLocked(ref)
		}
	}
	return l
}

func (c *client) foundLocked(l listing) {
	for _, svc := range l.set {
		if ref := svc.Ref(); ref.Owner == "" {
			c.lull.told[ref] = true
			delete(c.lull.lapsed, ref)
		}
	}
}

func (c *client) lapsesLocked(ref catalog.Ref) {
	if _, is := c.lull.lapsed[ref]; !is {
		c.lull.lapsed[ref] = time.Now()
	}
}

// lapsing is told when the next lull is over; nil: there is none.
func (c *client) lapsing() <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	var next time.Time
	for _, since := range c.lull.lapsed {
		if next.IsZero() || since.Before(next) {
			next = since
		}
	}
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next.Add(c.server.ways.Lull)))
}

// lapse tells the feed which natives did not come back in time.
func (c *client) lapse(feed *catalog.Feed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var gone []catalog.Ref
	for ref, since := range c.lull.lapsed {
		if time.Since(since) >= c.server.ways.Lull {
			gone = append(gone, ref)
			delete(c.lull.told, ref)
			delete(c.lull.lapsed, ref)
		}
	}
	feed.Update(nil, gone)
}
