package simulation

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// side is one registry, and what the model knows of it. The world's lock guards
// all but the server.
type side struct {
	*memory.Server
	world    *world
	ways     memory.Ways
	origin   catalog.Origin
	identity catalog.Identity

	natives   map[catalog.Key]*native
	strangers map[catalog.Key]time.Time // since when somebody else has a name
	others    map[catalog.Ref]string    // what is there of others, but natives
	stakes    stakes
	made      map[catalog.Ref]bool // mirrors that a bridge under test made, and nobody else wrote since
	weather   weather
	backups   []backup
	cut       time.Time // since when nothing reaches it; zero: all does
	astray    bool      // another registry stands at its address
	home      time.Time // since when that is not so any more
	restored  time.Time // when it last became what it was
	unseen    time.Time // when a change was last not told
	blinded   time.Time // when that was so, or something was told that is not so
	some      time.Time // when there last was a native, but for now
	hiding    bool
	term      int       // of leading in which the fence was last claimed; 0: nobody can tell
	behind    time.Time // when somebody was last told what is old
	emptied   time.Time // when somebody was last told that it is empty
}

// backup is one of a server and of the model.
type backup struct {
	server    memory.Backup
	natives   map[catalog.Key]*catalog.Service
	others    map[catalog.Ref]string
	strangers map[catalog.Key]time.Time
}

func newSide(w *world, o catalog.Origin) *side {
	id := catalog.Identity("id:" + string(o))
	s := &side{
		Server: memory.NewServerOf(id, ways(o)), world: w, ways: ways(o), origin: o, identity: id, made: map[catalog.Ref]bool{},
		natives: map[catalog.Key]*native{}, strangers: map[catalog.Key]time.Time{}, others: map[catalog.Ref]string{}, stakes: newStakes(),
	}
	s.AddNamespace("outside")
	return s
}

// bad reports whether a name is one that no target takes.
func bad(name string) bool { return strings.HasPrefix(name, "bad") }

// service makes a native that says which change it is of.
func service(k catalog.Key, revision, instances int) *catalog.Service {
	s := &catalog.Service{Key: k, Type: catalog.Headless}
	for i := range instances {
		s.Endpoints = append(s.Endpoints, catalog.Endpoint{
			ID:    fmt.Sprint(i),
			Host:  catalog.Host{Addr: netip.AddrFrom4([4]byte{byte(20 + i), byte(revision >> 16), byte(revision >> 8), byte(revision)})},
			Ready: true, Serving: true,
		})
	}
	return s
}

// revision is of which change a service is; 0: it does not say.
func revision(s *catalog.Service) int {
	if len(s.Endpoints) == 0 || !s.Endpoints[0].Host.Addr.Is4() {
		return 0
	}
	a := s.Endpoints[0].Host.Addr.As4()
	return int(a[1])<<16 | int(a[2])<<8 | int(a[3])
}

// content is what a mirror has of its original.
func content(s *catalog.Service) string {
	var b strings.Builder
	for _, e := range s.Endpoints {
		fmt.Fprintf(&b, " %s=%s", e.ID, e.Host)
		if !e.Ready {
			b.WriteByte('!')
		}
	}
	return b.String()
}

// known takes note of what becomes of a native now.
func (s *side) known(k catalog.Key, is *catalog.Service) {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	s.knownLocked(k, is)
}

func (s *side) knownLocked(k catalog.Key, is *catalog.Service) {
	n, now := s.natives[k], time.Now()
	if s.count() > 0 {
		s.some = now
	}
	if n == nil {
		n = &native{absent: now, all: spells{empty: now}, ready: spells{empty: now}}
		s.natives[k] = n
	}
	moment := time.Second + s.world.longest
	n.passed(now, s.ways.Lull, moment)
	n.is = is
	n.passed(now, s.ways.Lull, moment)
	if _, another := s.others[catalog.Ref{Key: k, Owner: "you"}]; is == nil && !another {
		delete(s.strangers, k)
	} else if _, there := s.strangers[k]; !there && is != nil {
		s.strangers[k] = now
	}
}

// register has users put a native.
func (s *side) register(svc *catalog.Service) {
	s.known(svc.Key, svc)
	s.Set(svc)
}

// unregister has them take it away.
func (s *side) unregister(k catalog.Key) {
	s.known(k, nil)
	s.Remove(catalog.Ref{Key: k})
}

// intrude has another owner put a mirror, or a bridge of a newer version one of
// this owner's, under a name.
func (s *side) intrude(svc *catalog.Service) {
	s.world.mu.Lock()
	s.others[svc.Ref()] = content(svc)
	if _, there := s.strangers[svc.Key]; !there && svc.Mark.Owner != owner {
		s.strangers[svc.Key] = time.Now()
	}
	s.stakes.set(svc.Ref(), svc)
	delete(s.made, svc.Ref())
	s.world.mu.Unlock()
	s.Set(svc)
}

// withdraw takes it away again.
func (s *side) withdraw(ref catalog.Ref) {
	s.world.mu.Lock()
	delete(s.others, ref)
	if n := s.natives[ref.Key]; n == nil || n.is == nil {
		delete(s.strangers, ref.Key)
	}
	s.world.mu.Unlock()
	s.Remove(ref)
}

// save makes a backup.
func (s *side) save() {
	server := s.Save() // not within the world's lock, which is taken within the server's
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	b := backup{server: server, natives: map[catalog.Key]*catalog.Service{}, others: maps.Clone(s.others), strangers: maps.Clone(s.strangers)}
	for k, n := range s.natives {
		b.natives[k] = n.is
	}
	s.backups = append(s.backups, b)
}

// restore makes it what it was in a backup.
func (s *side) restore(b backup) {
	s.world.mu.Lock()
	s.others, s.strangers = maps.Clone(b.others), maps.Clone(b.strangers)
	for k := range s.natives {
		s.knownLocked(k, b.natives[k])
	}
	s.restored, s.term = time.Now(), 0
	s.made = map[catalog.Ref]bool{}
	s.world.mu.Unlock()
	for _, p := range s.world.processes { // the fence is what it was, too
		p.depose(s.origin, false)
	}
	s.Restore(b.server)
	held := s.holds()
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	for ref := range s.stakes.of {
		s.stakes.set(ref, nil)
	}
	for _, svc := range held {
		s.stakes.set(svc.Ref(), svc)
	}
}

// holds returns all that the server has.
func (s *side) holds() []*catalog.Service {
	var all []*catalog.Service
	s.Count(func(svc *catalog.Service) bool { all = append(all, svc); return true })
	return all
}

// race has somebody be faster than a write.
func (s *side) race(ref catalog.Ref) {
	is := s.Get(ref)
	if is == nil || is.Mark == nil || is.Mark.Owner != owner || is.Mark.Format > catalog.MarkFormat {
		return
	}
	s.world.reach("write raced")
	tampered := service(ref.Key, 0, 1+s.world.writes()%3)
	tampered.Mark = is.Mark
	s.stands(ref, tampered)
	s.Set(tampered)
}

// bearsEmpty reports whether no target is seen to hold so few mirrors that the budget
// lets all of them go: none has few, and of no two that a rule joins both were lately
// said to be empty, or to hold a part only. Whoever was lied to by both at once cannot
// know, nor be stopped by how much he takes away.
func (s *side) bearsEmpty() bool {
	for _, r := range s.world.rules {
		switch {
		case r.From == s.origin && (s.world.sides[r.To].mirrors(s.identity) < r.Limit.Services+8 || s.world.sides[r.To].lied() || s.world.sides[r.To].hides()):
			return false
		case r.To == s.origin && s.world.sides[r.From].lied():
			return false
		}
	}
	return true
}

// lied reports whether somebody may still take it to be empty.
func (s *side) lied() bool {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return !s.emptied.IsZero() && time.Since(s.emptied) < compared
}

// hides reports whether only a part of it is seen.
func (s *side) hides() bool {
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	return s.hiding
}

// bearsHiding reports whether nobody takes what a rule joins it with to be empty.
func (s *side) bearsHiding() bool {
	for _, r := range s.world.rules {
		if r.To == s.origin && s.world.sides[r.From].lied() {
			return false
		}
	}
	return true
}

// mirrors counts those of a source that stand here.
func (s *side) mirrors(of catalog.Identity) int {
	return s.Count(func(m *catalog.Service) bool { return m.Mark != nil && m.Mark.Owner == owner && m.Mark.Of == of })
}
