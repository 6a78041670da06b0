package registry

import (
	"cmp"
	"fmt"
	"sync"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Flights are the transactions of one Put or Delete: of different services, and several
// under way at a time. The first goes alone, so that while the server does not answer,
// or the fence was moved, only that one was tried. One goroutine launches them; all
// other methods may be called from any.
type Flights struct {
	began    bool
	room     chan struct{}
	underway sync.WaitGroup
	seen     map[catalog.Ref]bool

	mu   sync.Mutex // guards what follows
	stop error
}

// NewFlights returns Flights of which most are under way at a time.
func NewFlights(most int) *Flights {
	return &Flights{room: make(chan struct{}, most), seen: map[catalog.Ref]bool{}}
}

// Admit returns why s is not to be written: the write was stopped, or s stands in it
// twice. It is called by who launches.
func (f *Flights) Admit(s *catalog.Service) error {
	switch stop := f.Stopped(); {
	case stop != nil:
		return stop
	case f.seen[s.Ref()]:
		return fmt.Errorf("service %q stands twice in one write: %w", s.Key, ErrConflict)
	}
	f.seen[s.Ref()] = true
	return nil
}

// Launch has do run once there is room for it. It waits for that and, of the first,
// until it returned.
func (f *Flights) Launch(do func()) {
	if !f.began {
		f.began = true
		do()
		return
	}
	f.room <- struct{}{}
	f.underway.Go(func() {
		defer func() { <-f.room }()
		do()
	})
}

// Wait waits until all that was launched returned. It is called by who launches.
func (f *Flights) Wait() { f.underway.Wait() }

// Stop ends the write: what is under way goes on, nothing more is to be tried. The first
// reason counts; nil is none.
func (f *Flights) Stop(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop = cmp.Or(f.stop, why)
}

// Stopped is why nothing more is to be tried, nil while more is.
func (f *Flights) Stopped() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stop
}
