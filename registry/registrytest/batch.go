package registrytest

import (
	"context"
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// batchCases: many services in one call.
func batchCases() []Case {
	return []Case{
		writing("300 services are written and removed, results in order", func(t T, p Writable) {
			w := claimed(t, p, owner)
			all := many(t, p, 300)
			results := w.Put(t.Context(), all)
			w.wantResults(all, results)
			for i, s := range all {
				w.wantHeld(s, results[i].Version)
				all[i] = at(s, results[i].Version)
			}
			w.wantResults(all, w.Delete(t.Context(), all))
			if n := w.catalog.Snapshot().State(origin).Services; n != 0 {
				t.Errorf("all are deleted and the feed shows %d", n)
			}
		}),
		writing("a bad service in a batch is refused alone", func(t T, p Writable) {
			w := claimed(t, p, owner)
			all := many(t, p, 9)
			all[4] = bad(all[4].Key)
			w.wantOnly(all, w.Put(t.Context(), all), 4, registry.ErrInvalid)
		}),
		writing("a conflict in a batch stands alone", func(t T, p Writable) {
			w := claimed(t, p, owner)
			all := many(t, p, 9)
			w.mustPut(all[4])
			all[4] = mirror(owner, all[4].Key, 2)
			w.wantOnly(all, w.Put(t.Context(), all), 4, registry.ErrConflict)
		}),
		writing("a conflict in a batch of deletes stands alone", func(t T, p Writable) {
			w := claimed(t, p, owner)
			all := many(t, p, 9)
			for i, r := range w.Put(t.Context(), all) {
				wantErr(t, "Put", r.Err, nil)
				all[i] = at(all[i], r.Version)
			}
			w.mustPut(at(mirror(owner, all[4].Key, 2), all[4].Version))
			for i, r := range w.Delete(t.Context(), all) {
				want := error(nil)
				if i == 4 {
					want = registry.ErrConflict
				}
				wantErr(t, fmt.Sprint("result ", i), r.Err, want)
				if got := w.get(all[i].Ref()); (got != nil) != (i == 4) {
					t.Errorf("after the batch the feed shows of %d\n%s", i, text(got))
				}
			}
		}),
		writing("an empty batch is nothing", func(t T, p Writable) {
			w := claimed(t, p, owner)
			untouched(t, p, func() {
				if got := w.Put(t.Context(), nil); len(got) != 0 {
					t.Errorf("Put(nil) = %+v, want nothing", got)
				}
				if got := w.Delete(t.Context(), nil); len(got) != 0 {
					t.Errorf("Delete(nil) = %+v, want nothing", got)
				}
			})
		}),
		writing("a batch whose ctx ended writes nothing and has all results", func(t T, p Writable) {
			w := claimed(t, p, owner)
			all := many(t, p, 5)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			untouched(t, p, func() {
				results := w.Put(ctx, all)
				if len(results) != len(all) {
					t.Fatalf("%d results, want %d", len(results), len(all))
				}
				for i, r := range results {
					if r.Err == nil || r.Ref != all[i].Ref() {
						t.Errorf("result %d = %+v, want an error for %q", i, r, all[i].Key)
					}
				}
			})
		}),
	}
}

// many returns n mirrors of one endpoint each.
func many(t T, p Place, n int) []*catalog.Service {
	all := make([]*catalog.Service, n)
	for i := range all {
		all[i] = mirror(owner, p.Key(t, "shop", fmt.Sprintf("web-%03d", i)), 1)
	}
	return all
}

// wantResults holds that there is one result per service, in order, no error.
func (w *writer) wantResults(all []*catalog.Service, got []registry.Result) {
	w.t.Helper()
	w.wantOnly(all, got, -1, nil)
}

// wantOnly holds that of a batch only the service at index bad has an error,
// want, and that the others are held if it was a Put.
func (w *writer) wantOnly(all []*catalog.Service, got []registry.Result, bad int, want error) {
	w.t.Helper()
	if len(got) != len(all) {
		w.t.Fatalf("%d results, want %d", len(got), len(all))
	}
	for i, r := range got {
		if r.Ref != all[i].Ref() {
			w.t.Fatalf("result %d is of %+v, want %+v", i, r.Ref, all[i].Ref())
		}
		switch {
		case i == bad:
			wantErr(w.t, fmt.Sprint("result ", i), r.Err, want)
		case r.Err != nil:
			w.t.Errorf("result %d: %v", i, r.Err)
		case bad >= 0:
			w.wantHeld(all[i], r.Version)
		}
	}
}
