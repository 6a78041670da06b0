package etcd

import (
	"errors"
	"fmt"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestClaimWhileWriting holds that a writer which adds a source to its fence,
// or bumps it, does not fence off what it writes at that time.
func TestClaimWhileWriting(t *testing.T) {
	for _, bump := range []bool{false, true} {
		z := newZone(t)
		w := watch(t, z.writer(t, "prod"))
		w.Synced(t)
		claimed(t, w.etcd)
		var all []*catalog.Service
		for i := range 400 {
			all = append(all, mirror("prod", fmt.Sprintf("s%d", i), 2))
		}
		done := make(chan []registry.Result)
		go func() { done <- w.Put(t.Context(), all) }()
		w.Until(t, "first write", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Services > 0 })
		err := w.Claim(t.Context(), twoSources("prod"), bump)
		failed := 0
		for _, r := range <-done {
			if r.Err != nil {
				failed++
				err = r.Err
			}
		}
		if err != nil {
			t.Errorf("bump %v: %d of %d failed: %v", bump, failed, len(all), err)
		}
	}
}

// TestFence holds what becomes of a write when the fence was changed since it
// was claimed, and when it can be claimed again.
func TestFence(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(z *zone, other *etcd) error
		want   error // of the Put
		again  error // of the Put after that and a new Claim
	}{
		{name: "untouched", change: func(*zone, *etcd) error { return nil }},
		{name: "a source added", change: func(_ *zone, other *etcd) error {
			return other.Claim(t.Context(), twoSources("prod"), false)
		}},
		{name: "bumped", want: registry.ErrFenced, change: func(_ *zone, other *etcd) error {
			return other.Claim(t.Context(), twoSources("prod"), true)
		}},
		{name: "gone", want: registry.ErrNoFence, change: func(z *zone, _ *etcd) error {
			_, err := z.raw.Delete(t.Context(), fenceKey(z.layout, "prod"))
			return err
		}},
		{name: "made anew by another", want: registry.ErrFenced, change: func(z *zone, other *etcd) error {
			if _, err := z.raw.Delete(t.Context(), fenceKey(z.layout, "prod")); err != nil {
				return err
			}
			return other.Claim(t.Context(), twoSources("prod"), false)
		}},
		{name: "another's source in place of ours", want: registry.ErrFenced, again: registry.ErrForeignFence, change: func(z *zone, _ *etcd) error {
			_, err := z.raw.Put(t.Context(), fenceKey(z.layout, "prod"), `{"sources":["z:9"],"epoch":1}`)
			return err
		}},
		{name: "no fence any more", want: registry.ErrFenced, again: registry.ErrForeignFence, change: func(z *zone, _ *etcd) error {
			_, err := z.raw.Put(t.Context(), fenceKey(z.layout, "prod"), "oops")
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			z := newZone(t)
			e, other := z.writer(t, "prod"), z.writer(t, "prod")
			defer e.Close()
			defer other.Close()
			claimed(t, e)
			if err := tc.change(z, other); err != nil {
				t.Fatal(err)
			}
			for i := range 2 { // the second finds nothing else than the first
				err := e.Put(t.Context(), []*catalog.Service{mirror("prod", fmt.Sprintf("s%d", i), 1)})[0].Err
				if !errors.Is(err, tc.want) || errors.Is(err, registry.ErrNoFence) != (tc.want == registry.ErrNoFence) {
					t.Errorf("Put %d = %v, want %v", i+1, err, tc.want)
				}
			}
			err := e.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"x:1"}}, false)
			if err == nil {
				err = e.Put(t.Context(), []*catalog.Service{mirror("prod", "last", 1)})[0].Err
			}
			if !errors.Is(err, tc.again) {
				t.Errorf("Claim and Put after that = %v, want %v", err, tc.again)
			}
		})
	}
}

// twoSources is the fence of owner with one source more than claimed claims.
func twoSources(owner string) registry.Fence {
	return registry.Fence{Owner: owner, Sources: []catalog.Identity{"x:1", "y:2"}}
}

// TestNoFenceTwice holds that no two claims are taken for each other, as they could be
// by revision and epoch on an etcd that was restored in between.
func TestNoFenceTwice(t *testing.T) {
	sources := []catalog.Identity{"kubernetes:1"}
	first, err := next("", sources, false)
	if err != nil {
		t.Fatal(err)
	}
	second, err := next("", sources, false)
	if err != nil || first == second {
		t.Errorf("two first claims write %s, %v", second, err)
	}
	if same, err := next(first, sources, false); err != nil || same != first {
		t.Errorf("what stands became %s, %v", same, err)
	}
	at := func(value string) *mvccpb.KeyValue {
		return &mvccpb.KeyValue{Key: []byte("/isthmus/fence/prod"), Value: []byte(value), ModRevision: 7, CreateRevision: 7}
	}
	if _, err := fenceOf(at(first)).now([]*mvccpb.KeyValue{at(second)}); !errors.Is(err, registry.ErrFenced) {
		t.Errorf("the fence of another at the same revision = %v, want %v", err, registry.ErrFenced)
	}
	added, err := next(first, []catalog.Identity{"kubernetes:1", "consul:dc1"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fenceOf(at(first)).now([]*mvccpb.KeyValue{at(added)}); err != nil {
		t.Errorf("its own fence with one more source = %v", err)
	}
}
