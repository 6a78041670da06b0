package zookeeper

import (
	"errors"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// claim claims the fence of "prod" for one source.
func (w *watched) claim(t testing.TB, bump bool) error {
	t.Helper()
	return w.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{source}}, bump)
}

// TestFenceGone holds that a fence that nobody took over, but which is gone in whole or
// in part, keeps everything from being written until it is claimed anew, without a bump.
func TestFenceGone(t *testing.T) {
	for _, whole := range []bool{false, true} {
		r := newTree(t)
		r.words += "\nacl world"
		w := claimed(t, r, "prod")
		gone := []string{w.claimedFence().node()}
		if whole {
			gone = append(gone, w.layout.fencePath())
		}
		for _, path := range gone {
			if err := r.raw.conn.Delete(path, -1); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			err := w.Put(t.Context(), []*catalog.Service{mirrorOf("prod", "web", 1)})[0].Err
			if !errors.Is(err, registry.ErrNoFence) {
				t.Errorf("whole %v: Put = %v, want %v", whole, err, registry.ErrNoFence)
			}
		}
		if err := w.claim(t, false); err != nil {
			t.Fatalf("whole %v: claim = %v", whole, err)
		}
		w.put(t, mirrorOf("prod", "web", 1))
	}
}

// TestForgedFence holds that what is no fence is not taken for one, nor written over.
func TestForgedFence(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := watch(t, r.writer(t, "prod"))
	w.Synced(t)
	r.write(t, w.layout.fencePath(), "hello")
	if err := w.claim(t, true); !errors.Is(err, registry.ErrForeignFence) {
		t.Errorf("claim = %v, want %v", err, registry.ErrForeignFence)
	}
	if data, _, err := r.raw.conn.Get(w.layout.fencePath()); string(data) != "hello" {
		t.Errorf("there stands %q, %v", data, err)
	}
}

// TestClaimUnanswered holds that who took the fence over without learning of it is not
// fenced off by itself.
func TestClaimUnanswered(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	before := w.claimedFence()
	if err := w.claim(t, true); err != nil {
		t.Fatal(err)
	}
	w.setFence(before) // as if no answer had come
	if err := w.claim(t, false); err != nil {
		t.Errorf("claim = %v", err)
	}
	w.put(t, mirrorOf("prod", "web", 1))
}

// TestDeposed holds that who was deposed makes nothing, not even the node above
// instances, and takes nothing over without a bump, however often it tried.
func TestDeposed(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	old, next := claimed(t, r, "prod"), watch(t, r.writer(t, "prod"))
	all := []*catalog.Service{mirrorOf("prod", "first", 1), mirrorOf("prod", "second", 1)}
	if err := old.Put(t.Context(), all[:1])[0].Err; err != nil {
		t.Fatal(err)
	}
	next.Synced(t)
	if err := next.claim(t, true); err != nil {
		t.Fatal(err)
	}
	for _, result := range old.Put(t.Context(), all[1:]) {
		if !errors.Is(result.Err, registry.ErrFenced) || errors.Is(result.Err, registry.ErrNoFence) {
			t.Errorf("Put = %v, want %v", result.Err, registry.ErrFenced)
		}
	}
	if err := old.claim(t, false); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("claim = %v, want %v", err, registry.ErrFenced)
	}
	if is, _, err := r.raw.conn.Exists(r.path + "/second"); is || err != nil {
		t.Errorf("who was deposed made %q: %v, %v", r.path+"/second", is, err)
	}
}

// TestUnderWay holds that a write whose outcome was unknown, and which was done once
// more, does not come to what was made anew since, at the same versions.
func TestUnderWay(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	first := w.put(t, mirrorOf("prod", "web", 1))
	plan, err := w.table.planDelete(first)
	if err != nil {
		t.Fatal(err)
	}
	late := append([]op{{do: set, path: w.claimedFence().node(), version: -1}}, plan.parts(maxOps, maxBytes)[0]...)
	r.link.LoseAnswers()
	if err := w.Delete(t.Context(), []*catalog.Service{first})[0].Err; !errors.Is(err, registry.ErrUnknownOutcome) {
		t.Fatalf("Delete = %v, want %v", err, registry.ErrUnknownOutcome)
	}
	r.link.Heal()
	w.has(t, "web", "none")
	w.Until(t, "another session", func(s *catalog.Snapshot) bool {
		return s.State(w.Origin).Connected && s.Get(w.Origin, first.Ref()) == nil
	})
	w.put(t, mirrorOf("prod", "web", 1))
	var refused *refusal
	if _, err := r.raw.multi(t.Context(), late, w.config.acl()); !errors.As(err, &refused) || refused.at != 0 {
		t.Errorf("what was under way = %v, want it refused by the fence", err)
	}
	w.put(t, mirrorOf("prod", "web", 1))
}
