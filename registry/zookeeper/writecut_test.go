package zookeeper

import (
	"errors"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestCutInBetween holds that a write of several transactions whose connection breaks
// in between does not count as done, reads as differing, and is finished by the next.
func TestCutInBetween(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	s := mirrorOf("prod", "web", 6000)
	r.link.Slow(100 * time.Millisecond) // so that others are under way when the first is seen
	done := make(chan error, 1)
	go func() { done <- w.Put(t.Context(), []*catalog.Service{s})[0].Err }()
	w.Until(t, "the first transaction", func(snap *catalog.Snapshot) bool { return snap.Get(w.Origin, s.Ref()) != nil })
	r.link.Cut()
	if err := <-done; err == nil {
		t.Fatal("all was written before the connection broke")
	}
	if is := w.Catalog.Snapshot().Get(w.Origin, s.Ref()); is.Meta[registry.MetaDrift] == "" {
		t.Errorf("a part of it reads as whole:\n%.1000s", is.Text())
	}
	r.link.Heal()
	want := mirrorOf("prod", "web", 2000)
	w.Until(t, "the rest", func(snap *catalog.Snapshot) bool {
		over := *want
		if is := snap.Get(w.Origin, s.Ref()); is != nil {
			over.Version = is.Version
		}
		err := w.Put(t.Context(), []*catalog.Service{&over})[0].Err
		if errors.Is(err, registry.ErrNotOwned) || errors.Is(err, registry.ErrFenced) || errors.Is(err, registry.ErrInvalid) {
			t.Fatal(err)
		}
		return err == nil
	})
	if n := len(r.nodes(t, r.path+"/web")); n != 2000 {
		t.Errorf("%d instances stand, want 2000", n)
	}
	canon, err := w.Canon(want)
	if err != nil {
		t.Fatal(err)
	}
	w.Until(t, "all of it", func(snap *catalog.Snapshot) bool {
		is := snap.Get(w.Origin, s.Ref())
		return is != nil && is.Same(canon)
	})
}
