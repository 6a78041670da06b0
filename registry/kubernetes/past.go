package kubernetes

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// past is how far a reflector has read. An API server whose data was restored
// from a backup goes back behind that: then nothing of what was read can be
// built upon, and the Watch ends, so that the next one reads all anew. What
// this process wrote itself is none of it.
type past struct {
	lost  func(error)
	heard func() // is called whenever the server told something

	mu     sync.Mutex // guards newest
	newest uint64     // the newest resource version that was told; 0: none was
}

func (v *view) newPast() *past { return &past{lost: v.lost, heard: v.health.delivered} }

// told notes that the server told something as new as version.
func (p *past) told(version uint64) {
	p.heard()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest = max(p.newest, version)
}

func (p *past) begun() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest > 0
}

// check ends the Watch if a list at version is older than what was told before.
func (p *past) check(version uint64) error {
	p.mu.Lock()
	newest := p.newest
	p.mu.Unlock()
	if version == 0 || version >= newest {
		return nil
	}
	err := fmt.Errorf("the API server went back from resource version %d to %d: its data was restored", newest, version)
	p.lost(err)
	return err
}

// verify ends the Watch if the API server is another one by now, or went back.
// It is asked before a reflector goes on: a server that went back takes a
// watch from a resource version that it never had, and then is silent.
func (s *server) verify(ctx context.Context, src source, v *view) error {
	if !src.past.begun() {
		return nil
	}
	err := s.sameServer(ctx, v)
	if err == nil {
		err = s.notBefore(ctx, src)
	}
	if err != nil {
		v.health.note(src.name, "go on with", err)
	}
	return err
}

func (s *server) sameServer(ctx context.Context, v *view) error {
	id, err := s.identity(ctx)
	if err == nil && id != v.identity {
		err = fmt.Errorf("the API server is another one: %q, and was %q", id, v.identity)
		v.lost(err)
	}
	return err
}

// notBefore asks for the newest there is: a list that allows no older answer
// carries the server's newest resource version, however little it shows.
func (s *server) notBefore(ctx context.Context, src source) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	list, err := src.list(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	about, err := meta.ListAccessor(list)
	if err != nil {
		return err
	}
	return src.past.check(versionNumber(about.GetResourceVersion()))
}
