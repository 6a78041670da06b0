package simulation

import (
	"fmt"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
)

// write is one write that a server took.
type write struct {
	*world
	process *process
	term    int // of leading in which it was asked for
	to      *side
	was, is *catalog.Service // one of them may be nil
	at      string           // the version that was asked to be at; "": none
	rule    *mirror.Rule     // nil: it is of none
	from    *side
	now     time.Time
}

// judge checks a write. It is called with the server locked, and so calls none.
func (w *world) judge(c *write) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.written++
	to := c.to
	c.world, c.now = w, time.Now()
	for _, r := range w.rules {
		if m := c.mark(); m != nil && r.To == to.origin && w.sides[r.From].identity == m.Of {
			c.rule, c.from = r, w.sides[r.From]
		}
	}
	for _, check := range []func(*write) (name, wrong string){
		r2NoLiveMirrorGoes, r3Budget, r4NoCopyOfACopy, r5Ownership, r6NothingTwice, r9Monotonic, r11Fence, r11Anew,
	} {
		if name, wrong := check(c); wrong != "" {
			w.failLocked(name, "bridge %d at %s: %s\nwas %sis %s", c.process.number, to.origin, wrong, text(c.was), text(c.is))
		}
	}
	to.stakes.set(c.ref(), c.is)
	if c.was == nil {
		to.made[c.ref()] = true
	}
}

func text(s *catalog.Service) string {
	if s == nil {
		return "nothing\n"
	}
	return s.Text()
}

func (c *write) mark() *catalog.Mark {
	if c.is != nil {
		return c.is.Mark
	}
	return c.was.Mark
}

func (c *write) key() catalog.Key {
	if c.is != nil {
		return c.is.Key
	}
	return c.was.Key
}

func (c *write) ref() catalog.Ref { return catalog.Ref{Key: c.key(), Owner: c.mark().Owner} }

// horizon is from when the view of a side may be that a write is made by.
// Until a comparison, that may be from before somebody was blinded, and not for the
// first time.
func (c *write) horizon(blinded time.Time) time.Time {
	t := c.now.Add(-time.Second - c.longest)
	if !blinded.IsZero() && c.now.Sub(blinded) < compared {
		t = t.Add(-compared)
	}
	if c.landing && c.lateSince.Before(t) {
		t = c.lateSince.Add(-time.Second - c.longest)
	}
	return t
}

// compared is when a registry was compared since something was not told.
const compared = 6 * time.Minute

// loses reports whether the write takes the last instance of a service.
func (c *write) loses() bool {
	return c.was != nil && len(c.was.Endpoints) > 0 && (c.is == nil || len(c.is.Endpoints) == 0)
}

// replaces reports whether it gives a name to another original's mirror.
func (c *write) replaces() bool {
	return c.was != nil && c.is != nil && c.was.Mark.Key != c.is.Mark.Key && len(c.was.Endpoints) > 0
}

// r2NoLiveMirrorGoes also holds R16 and R18.
func r2NoLiveMirrorGoes(c *write) (name, wrong string) {
	if c.rule == nil || !c.loses() && !c.replaces() || c.was.Key != target(c.rule, c.was.Mark.Key) {
		return "R2", ""
	}
	n := c.from.natives[c.was.Mark.Key]
	if c.to.ways.ReadyOnly && n != nil && n.is != nil && len(n.is.Endpoints) > 0 && ready(n.is) == 0 {
		c.reached["mirror gone with the last ready instance"]++
	}
	if n == nil || !c.stands(n) || !n.at(c.to).empty.Before(c.horizon(c.from.unseen)) {
		return "R2", ""
	}
	return c.because("R2"), "the original has instances, since " + ago(c.now, n.at(c.to).empty)
}

// stands reports whether a native has instances that count, or may have them again at
// once: who was not told of it, or told that it is gone, cannot know.
func (c *write) stands(n *native) bool {
	if n.is != nil || c.now.Sub(n.all.seen) >= c.from.ways.Lull {
		return n.is != nil && c.to.counted(n.is) > 0
	}
	since := c.process.readsSince(c.from)
	if since.Before(c.from.home) { // it read another registry in between
		since = c.from.home
	}
	told := !since.IsZero() && since.Before(n.all.seen.Add(-time.Second-c.longest))
	lied := !c.from.blinded.IsZero() && c.now.Sub(c.from.blinded) < compared
	return told && !lied && c.from.restored.Before(n.all.full)
}

// because names what a loss is to be put down to.
func (c *write) because(name string) string {
	switch {
	case c.is != nil && len(c.is.Endpoints) == 0:
		return "R16"
	case c.now.Sub(c.from.restored) < time.Minute || c.now.Sub(c.to.restored) < time.Minute:
		return "R18"
	}
	return name
}

func ago(now, then time.Time) string {
	if then.IsZero() {
		return "ever"
	}
	return now.Sub(then).String()
}

// ledger is what one run of the bridge took away by one rule.
type ledger struct {
	process *process
	rule    string
}

// r3Budget counts losses as the server saw them.
func r3Budget(c *write) (name, wrong string) {
	if c.rule == nil || c.was == nil || c.is != nil && !c.loses() && !c.replaces() {
		return "R3", ""
	}
	book := ledger{c.process, c.rule.String()}
	if c.approved[book][c.was.Ref()] || c.goneForLong() {
		return "R3", ""
	}
	hold := c.rule.Hold
	if hold == 0 {
		hold = mirror.DefaultHold
	}
	c.noteLocked("  takes %v at %s from bridge %d, after %d", c.takes(), c.ref(), c.process.number, len(c.spent[book]))
	over := c.exceeds(c.spent[book], hold, c.takes())
	c.spent[book] = append(c.spent[book], spent{c.now, c.takes()})
	if over {
		return c.because("R3"), "more goes than the limit allows"
	}
	return "R3", ""
}

// goneForLong reports whether time may have released the loss.
func (c *write) goneForLong() bool {
	if c.was.Key != target(c.rule, c.was.Mark.Key) {
		return c.rule.Hold > 0 // it stands where none is wanted, whatever becomes of the original
	}
	n := c.from.natives[c.was.Mark.Key]
	gone := n == nil || !n.at(c.to).seen.After(c.now.Add(-c.rule.Hold))
	if lied := c.from.blinded; !lied.IsZero() && c.now.Sub(lied) < c.rule.Hold+compared && (n == nil || !n.at(c.to).empty.Before(c.horizon(lied))) {
		return c.rule.Hold > 0 // it seemed to be gone before it was
	}
	some := c.from.count() > 0 || c.from.some.After(c.horizon(c.from.unseen))
	if n != nil && !c.from.some.Before(n.at(c.to).full.Add(c.rule.Hold)) {
		some = true // it was let go before the source fell to nothing, and could not go at once
	}
	return c.rule.Hold > 0 && gone && some
}

// count is how many natives there are.
func (s *side) count() int {
	n := 0
	for _, is := range s.natives {
		if is.is != nil {
			n++
		}
	}
	return n
}

func r4NoCopyOfACopy(c *write) (name, wrong string) {
	switch {
	case c.is == nil:
	case c.rule == nil:
		return "R4", "a copy of what no rule mirrors to here"
	case c.from.natives[c.is.Mark.Key] == nil:
		return "R4", "no original was ever there"
	}
	return "R4", ""
}

func r5Ownership(c *write) (name, wrong string) {
	switch {
	case c.was != nil && (c.was.Mark == nil || c.was.Mark.Owner != owner):
		return "R5", "it is somebody else's"
	case c.was != nil && c.was.Mark.Format > catalog.MarkFormat:
		return "R5", "it is of a newer bridge"
	case c.rule == nil:
		return "R5", "it is of no rule"
	case c.was == nil:
		since, taken := c.to.strangers[c.key()]
		if unseen := c.to.hiding || !c.to.blinded.IsZero() && c.now.Sub(c.to.blinded) < compared; taken && !unseen && since.Before(c.horizon(time.Time{})) {
			return "R5", "the name is somebody else's, since " + ago(c.now, since)
		}
	}
	return "R5", ""
}

func r6NothingTwice(c *write) (name, wrong string) {
	if c.was != nil && c.is != nil && c.was.Same(c.is) && c.now.Sub(c.to.restored) > time.Second {
		return "R6", "it says what stood there"
	}
	return "R6", ""
}

// said is the newest that a mirror was put with.
type said struct {
	revision int
	at       time.Time
	by       *process
}

// rivals reports whether two processes may write side by side: the fence was removed
// or is from a backup, or R11 would say so.
func (c *write) rivals(by *process) bool {
	if c.elects { // one after the other, of whom each reads for itself
		old := min(c.now.Sub(c.from.unseen), c.now.Sub(c.from.behind)) < compared+c.longest
		return by != c.process && (c.to.term == 0 || old)
	}
	return by != nil && by != c.process && (by.number > c.process.number || by.lives())
}

func r9Monotonic(c *write) (name, wrong string) {
	if c.is == nil || c.rule == nil || revision(c.is) == 0 {
		return "R9", ""
	}
	of := [2]string{c.rule.String(), c.is.Mark.Key.String()}
	last := c.newest[of]
	restored := !c.from.restored.IsZero() && !last.at.After(c.from.restored.Add(compared+c.longest))
	if revision(c.is) < last.revision && !restored && !c.rivals(last.by) && !(c.landing && c.was == nil) {
		return "R9", "it is older than what was put before"
	}
	c.newest[of] = said{revision(c.is), c.now, c.process}
	return "R9", ""
}

func r11Fence(c *write) (name, wrong string) {
	switch {
	case c.process.isDeposed(c.to.origin):
		return "R11", "another took over"
	case c.to.term != 0 && c.term != c.to.term:
		return "R11", fmt.Sprintf("it was asked for in term %d of leading, and term %d claimed the fence", c.term, c.to.term)
	}
	return "R11", ""
}

// r11Anew holds that what was on its way when its outcome became unknown comes to
// nothing that was made later.
func r11Anew(c *write) (name, wrong string) {
	if c.landing && c.was != nil && c.to.made[c.ref()] && c.was.Version != c.at {
		return "R11", "it was on its way to another record, at " + c.at
	}
	return "R11", ""
}
