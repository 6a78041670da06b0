package memory

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestWays holds what each way makes of requests, and of what there is.
func TestWays(t *testing.T) {
	for _, tt := range []struct {
		name string
		ways Ways
		do   func(*testing.T, *followed)
	}{
		{"a server that is behind is asked to catch up", Ways{Follows: true}, func(t *testing.T, f *followed) {
			f.Save()
			f.Set(native("b"))
			f.wire.will(List, Older)
			f.Link().Cut()
			synctest.Wait()
			f.Link().Heal()
			time.Sleep(time.Minute)
			f.want(t, "read anew", 2)
			f.wire.will(Sync, Lost)
			f.Link().Cut()
			f.Set(native("c"))
			synctest.Wait()
			f.Link().Heal()
			time.Sleep(time.Minute)
			f.want(t, "not caught up", 2)
		}},
		{"a write that is lost is of unknown outcome, and nothing else is tried", Ways{Unsure: true}, func(t *testing.T, f *followed) {
			f.wire.will(Put, Lost)
			for i, r := range f.writer.Put(t.Context(), []*catalog.Service{mirror("b"), mirror("c")}) {
				if !errors.Is(r.Err, registry.ErrUnknownOutcome) {
					t.Errorf("write %d = %v, want %v", i, r.Err, registry.ErrUnknownOutcome)
				}
			}
			f.wire.will(Put, Passes)
			f.wire.will(Renew, Unanswered)
			if err := f.put(t, "b"); !errors.Is(err, registry.ErrUnknownOutcome) {
				t.Errorf("Put = %v, want the fence to be in doubt", err)
			}
			f.wire.will(Renew, Passes)
			if err := f.put(t, "b"); err != nil {
				t.Error(err)
			}
			f.want(t, "written", 2)
		}},
		{"what is late is refused once there was another write", Ways{Unsure: true, Anew: true}, func(t *testing.T, f *followed) {
			if err := f.put(t, "b"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			f.wire.will(Delete, Late)
			f.delete(t, "b")
			f.wire.will(Delete, Passes)
			f.delete(t, "b")
			if err := f.put(t, "b"); err != nil {
				t.Fatal(err)
			}
			if taken, refused := f.Land(); taken != 0 || refused != 1 {
				t.Errorf("%d taken and %d refused, want the one refused", taken, refused)
			}
			f.want(t, "made anew", 2)
		}},
		{"versions begin again with a record", Ways{Anew: true}, func(t *testing.T, f *followed) {
			read := f.Get(native("a").Ref()).Version
			f.Set(native("a"))
			next := f.Get(native("a").Ref()).Version
			f.Remove(native("a").Ref())
			f.Set(native("a"))
			anew := f.Get(native("a").Ref()).Version
			if read == next || read == anew || f.comparesLocked(read) == f.comparesLocked(next) || f.comparesLocked(read) != f.comparesLocked(anew) {
				t.Errorf("versions are %q, %q and, made anew, %q", read, next, anew)
			}
		}},
		{"a mirror has ready endpoints only", Ways{ReadyOnly: true}, func(t *testing.T, f *followed) {
			s := mirror("b")
			s.Endpoints = append(s.Endpoints, catalog.Endpoint{ID: "2", Host: catalog.ParseHost("10.0.0.2")})
			if c, err := f.writer.Canon(s); err != nil || len(c.Endpoints) != 1 || len(s.Endpoints) != 2 {
				t.Errorf("Canon = %v, %v; want the ready one", c, err)
			}
			s.Endpoints = s.Endpoints[1:]
			if c, err := f.writer.Canon(s); err != nil || c != nil {
				t.Errorf("Canon of none that is ready = %v, %v", c, err)
			}
		}},
		{"a native that is gone is kept for a lull", Ways{Lull: time.Second}, func(t *testing.T, f *followed) {
			f.Remove(native("a").Ref())
			time.Sleep(900 * time.Millisecond)
			f.want(t, "before it is over", 1)
			f.Set(native("a"))
			time.Sleep(time.Second)
			f.want(t, "it came back", 1)
			f.Link().Cut()
			f.Remove(native("a").Ref())
			synctest.Wait()
			f.Link().Heal()
			time.Sleep(500 * time.Millisecond)
			f.want(t, "read anew", 1)
			time.Sleep(time.Second)
			f.want(t, "it is over", 0)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.do(t, followOf(t, tt.ways)) })
		})
	}
}

// late is a wire by which changes are told after a minute.
type late struct{ *fates }

func (late) Fate(ctx context.Context, r Request) Fate {
	if r.Verb == Watch {
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
	return Passes
}

// TestOwnFirst holds that by a server that is behind a client's own write is told
// before what others wrote earlier.
func TestOwnFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &followed{Server: NewServerOf("memory:1", Ways{Follows: true}), catalog: catalog.New(catalog.Policy{})}
		f.writer = f.Via(late{new(fates)}).Writer("me")
		f.watch(t)
		f.claim(t)
		f.want(t, "nothing", 0)
		f.Set(native("a"))
		if err := f.put(t, "b"); err != nil {
			t.Fatal(err)
		}
		f.want(t, "its own", 1)
		time.Sleep(2 * time.Minute)
		f.want(t, "all", 2)
	})
}
