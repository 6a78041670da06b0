package memory

import (
	"maps"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Backup is what a server held at one time. The zero Backup is of an empty one.
type Backup struct {
	records    map[catalog.Ref]*catalog.Service
	namespaces map[string]bool
	fences     map[string]fence
	version    int
}

// Save returns a backup. What is answered Older is answered by the last one.
func (s *Server) Save() Backup {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = Backup{maps.Clone(s.records), maps.Clone(s.namespaces), maps.Clone(s.fences), s.version}
	return s.saved
}

// Restore makes the server what it was: its versions go back, and come again with
// other content. A Reader has to list again.
func (s *Server) Restore(b Backup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.namespaces, s.fences = map[catalog.Ref]*catalog.Service{}, map[string]bool{}, map[string]fence{}
	maps.Copy(s.records, b.records)
	maps.Copy(s.namespaces, b.namespaces)
	maps.Copy(s.fences, b.fences)
	s.version, s.history, s.forgotten = b.version, nil, b.version
	s.saved = b
	s.restored++
	s.wakeLocked()
}

// older is the listing of a server that is behind.
func (b Backup) older(head listing) listing {
	head.version, head.namespaces, head.set = b.version, keys(b.namespaces), nil
	for _, svc := range b.records {
		head.set = append(head.set, read(svc))
	}
	return head
}

// Hide leaves every second record out of what is read, for the reason why, which
// readers are told; nil: nothing is hidden.
func (s *Server) Hide(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hides = why
	s.changedLocked(catalog.Ref{})
	s.history, s.forgotten = nil, s.version
}

// hidden says which records a server hides that hides some.
func hidden(ref catalog.Ref) bool {
	sum := 0
	for _, c := range ref.Namespace + ref.Name + ref.Owner {
		sum += int(c)
	}
	return sum%2 == 0
}
