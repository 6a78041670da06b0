package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Server is a registry in memory. Make one with NewServer. Its methods may be
// called from any goroutine.
type Server struct {
	identity catalog.Identity
	ways     Ways

	mu         sync.Mutex // guards what follows
	records    map[catalog.Ref]*catalog.Service
	malformed  map[string]error
	namespaces map[string]bool
	fences     map[string]fence
	epoch      int              // of the newest fence; no backup takes it back
	leases     map[string]lease // by the place of their election
	version    int              // of the newest change
	history    []change         // oldest first
	forgotten  int              // version of the newest change that is not in history any more
	restored   int              // how often
	saved      Backup           // the last one
	late       []func() bool    // writes on their way, which report whether they were taken
	hides      error            // why lists are not complete; nil: they are
	link       state
	moved      chan struct{} // closed at every change of anything above
}

// fence is who may write for an owner.
type fence struct {
	sources []catalog.Identity
	epoch   int
	version int
}

// change is one entry of the history: the record that became what it is now,
// or the set of namespaces or malformed records if ref is zero.
type change struct {
	version int
	ref     catalog.Ref
}

// NewServer returns an empty server that says it is id.
func NewServer(id catalog.Identity) *Server {
	return &Server{
		identity:   id,
		records:    map[catalog.Ref]*catalog.Service{},
		malformed:  map[string]error{},
		namespaces: map[string]bool{},
		fences:     map[string]fence{},
		leases:     map[string]lease{},
		moved:      make(chan struct{}),
	}
}

// Set puts or replaces a service, native or not, as the registry's users would.
func (s *Server) Set(svc *catalog.Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setLocked(clone(svc))
}

// Remove removes a service; one that is not there is no error.
func (s *Server) Remove(ref catalog.Ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeLocked(ref)
}

// Get returns a copy of a service, or nil.
func (s *Server) Get(ref catalog.Ref) *catalog.Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records[ref] == nil {
		return nil
	}
	return clone(s.records[ref])
}

// Malform puts a record that readers refuse for the reason why, or with a nil
// error takes it away.
func (s *Server) Malform(record string, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.malformed = maps.Clone(s.malformed)
	delete(s.malformed, record)
	if why != nil {
		s.malformed[record] = why
	}
	s.changedLocked(catalog.Ref{})
}

// AddNamespace makes a namespace.
func (s *Server) AddNamespace(ns string) { s.namespace(ns, true) }

// RemoveNamespace removes a namespace; services in it stay.
func (s *Server) RemoveNamespace(ns string) { s.namespace(ns, false) }

func (s *Server) namespace(ns string, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespaceLocked(ns, there)
}

func (s *Server) namespaceLocked(ns string, there bool) {
	s.namespaces = maps.Clone(s.namespaces)
	delete(s.namespaces, ns)
	if there {
		s.namespaces[ns] = true
	}
	s.changedLocked(catalog.Ref{})
}

// Forget makes the server forget all changes up to now: a Reader that is not
// up to date has to list again.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history, s.forgotten = nil, s.version
}

// Stamp returns a text that differs whenever a record or fence was written in
// between.
func (s *Server) Stamp() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for ref, svc := range s.records {
		lines = append(lines, fmt.Sprintf("service %s of %q at %s", ref.Key, ref.Owner, svc.Version))
	}
	for owner, f := range s.fences {
		lines = append(lines, fmt.Sprintf("fence of %q at %d", owner, f.version))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (s *Server) setLocked(svc *catalog.Service) {
	s.changedLocked(svc.Ref())
	svc.Version = s.nextLocked(s.records[svc.Ref()])
	s.records[svc.Ref()] = svc
}

func (s *Server) removeLocked(ref catalog.Ref) {
	if s.records[ref] == nil {
		return
	}
	delete(s.records, ref)
	s.changedLocked(ref)
}

func (s *Server) changedLocked(ref catalog.Ref) {
	s.version++
	s.history = append(s.history, change{s.version, ref})
	s.wakeLocked()
}

func (s *Server) wakeLocked() {
	close(s.moved)
	s.moved = make(chan struct{})
}

// errForgotten ends a Watch whose place in the history is gone.
var errForgotten = errors.New("history is forgotten, list again")

// listing is what a read of the server returns: everything, or what changed.
type listing struct {
	identity   catalog.Identity
	restored   int
	version    int
	partial    error
	namespaces []string
	malformed  map[string]error
	set        []*catalog.Service
	gone       []catalog.Ref
}

// listLocked returns everything.
func (s *Server) listLocked() listing {
	l := s.headLocked()
	if s.link == astray {
		return l
	}
	for ref, svc := range s.records {
		if s.hides == nil || !hidden(ref) {
			l.set = append(l.set, read(svc))
		}
	}
	return l
}

// sinceLocked returns what changed after version.
func (s *Server) sinceLocked(version int) (listing, error) {
	l := s.headLocked()
	if s.link == astray {
		return l, nil
	}
	if version < s.forgotten {
		return l, errForgotten
	}
	seen := map[catalog.Ref]bool{{}: true}
	for i := len(s.history) - 1; i >= 0 && s.history[i].version > version; i-- {
		ref := s.history[i].ref
		switch svc := s.records[ref]; {
		case seen[ref]:
		case svc == nil, s.hides != nil && hidden(ref):
			l.gone = append(l.gone, ref)
		default:
			l.set = append(l.set, read(svc))
		}
		seen[ref] = true
	}
	return l, nil
}

func (s *Server) headLocked() listing {
	if s.link == astray {
		return listing{identity: s.identity + "-other", restored: s.restored, version: s.version}
	}
	return listing{
		identity:   s.identity,
		restored:   s.restored,
		version:    s.version,
		partial:    s.hides,
		namespaces: keys(s.namespaces),
		malformed:  s.malformed,
	}
}

// reach takes the lock once requests pass. The caller unlocks after a nil
// error; any other is why the server was not reached.
func (s *Server) reach(ctx context.Context) error {
	for {
		s.mu.Lock()
		moved := s.moved
		switch {
		case ctx.Err() != nil:
			s.mu.Unlock()
			return ctx.Err()
		case s.link == cut:
			s.mu.Unlock()
			return errCut
		case s.link != stalled:
			return nil
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-moved:
		}
	}
}

// read returns what a reader's catalog may have: it sets the Origin, and changes
// nothing else of a service.
func read(s *catalog.Service) *catalog.Service {
	c := *s
	return &c
}

// clone returns a copy that shares nothing with s.
func clone(s *catalog.Service) *catalog.Service {
	c := *s
	if s.Mark != nil {
		m := *s.Mark
		c.Mark = &m
	}
	c.Addrs = slices.Clone(s.Addrs)
	c.External = slices.Clone(s.External)
	c.Ports = slices.Clone(s.Ports)
	c.Meta = maps.Clone(s.Meta)
	c.Endpoints = slices.Clone(s.Endpoints)
	for i := range c.Endpoints {
		e := &c.Endpoints[i]
		e.Ports, e.Tags, e.Meta = slices.Clone(e.Ports), slices.Clone(e.Tags), maps.Clone(e.Meta)
	}
	c.Sort()
	return &c
}

func keys(of map[string]bool) []string { return slices.Sorted(maps.Keys(of)) }

// Count returns how many records match.
func (s *Server) Count(match func(*catalog.Service) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, svc := range s.records {
		if match(svc) {
			n++
		}
	}
	return n
}

// Sources returns what the fence of an owner was claimed for; none where there is none.
func (s *Server) Sources(owner string) []catalog.Identity {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.fences[owner].sources)
}

// RemoveFence removes the fence of an owner.
func (s *Server) RemoveFence(owner string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fences, owner)
	s.changedLocked(catalog.Ref{})
}
