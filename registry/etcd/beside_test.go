package etcd

import (
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestRecordInTheWay holds that a native record which stands where ours would
// stays, and ours stand beside it, be it known to the writer or not.
func TestRecordInTheWay(t *testing.T) {
	for _, watching := range []bool{false, true} {
		z := newZone(t)
		e := z.writer(t, "prod")
		w := &watched{etcd: e}
		if watching {
			w = watch(t, e)
			w.Synced(t)
		} else {
			defer e.Close()
		}
		claimed(t, e)
		z.put(t, `svc/shop/web/_tcp/_http/i0 {"host":"10.0.0.1","port":1}`)
		theirs := z.all(t)[0]
		s := mirror("prod", "web", 2)
		mustPut(t, e, s)
		if got := z.all(t)[0]; got.key != theirs.key || got.mod != theirs.mod {
			t.Errorf("the native record is at %d, was at %d", got.mod, theirs.mod)
		}
		r := watch(t, z.writer(t, "prod"))
		got := r.Synced(t).Get(r.Origin, s.Ref())
		if want, err := e.Canon(s); err != nil || got == nil || !got.Same(want) || got.Version != s.Version {
			t.Errorf("watching %v: reads back as\n%s", watching, r.Text(r.Catalog.Snapshot()))
		}
		if hosts := r.hosts(r.Catalog.Snapshot(), "shop/web"); hosts != "10.0.0.1" {
			t.Errorf("the native service has %s, want 10.0.0.1", hosts)
		}
	}
}

// TestOverwritten holds that a mirror one of whose records a user put a record
// of theirs over, or something unreadable, is planned anew, and that ours then
// stands beside theirs and is not planned again.
func TestOverwritten(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		n           int // endpoints of the mirror
	}{
		{"one of two", `{"host":"10.0.0.1","port":1}`, 2},
		{"the only one", `{"host":"10.0.0.1","port":1}`, 1},
		{"unreadable", `oops`, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			z := newZone(t)
			w := watch(t, z.writer(t, "prod"))
			w.Synced(t)
			claimed(t, w.etcd)
			s := mirror("prod", "web", tc.n)
			mustPut(t, w.etcd, s)
			want, err := w.Canon(s)
			if err != nil {
				t.Fatal(err)
			}
			z.put(t, "svc/shop/web/_tcp/_http/i0 "+tc.value)
			theirs := z.all(t)[0]
			snap := w.Until(t, "want a put", func(snap *catalog.Snapshot) bool {
				got := snap.Get(w.Origin, s.Ref())
				return got == nil || !got.Same(want)
			})
			s.Version = ""
			if got := snap.Get(w.Origin, s.Ref()); got != nil {
				s.Version = got.Version
			}
			mustPut(t, w.etcd, s)
			if got := w.Catalog.Snapshot().Get(w.Origin, s.Ref()); got == nil || !got.Same(want) || got.Version != s.Version {
				t.Errorf("reported after the Put:\n%s\nwant\n%s", w.Text(w.Catalog.Snapshot()), want.Text())
			}
			if got := z.all(t)[0]; got.key != theirs.key || got.mod != theirs.mod {
				t.Errorf("their record is at %d, was at %d", got.mod, theirs.mod)
			}
			// Theirs goes; ours moves to its place and nothing is left beside it.
			if _, err := z.raw.Delete(t.Context(), theirs.key); err != nil {
				t.Fatal(err)
			}
			snap = w.Until(t, "want a put again", func(snap *catalog.Snapshot) bool {
				got := snap.Get(w.Origin, s.Ref())
				return got != nil && !got.Same(want)
			})
			s.Version = snap.Get(w.Origin, s.Ref()).Version
			mustPut(t, w.etcd, s)
			if n := len(z.all(t)); n != tc.n+1 {
				t.Errorf("%d keys, want %d of ours and the fence", n, tc.n)
			}
		})
	}
}
