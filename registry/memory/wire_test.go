package memory

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// fates is a wire with one fate for each verb.
type fates struct {
	mu sync.Mutex // guards of
	of map[Verb]Fate
}

// will says what becomes of requests from now on.
func (f *fates) will(v Verb, is Fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of[v] = is
}

func (f *fates) Fate(_ context.Context, r Request) Fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.of[r.Verb]
}

func (*fates) Landed(_, _ *catalog.Service, _ string) {}
func (*fates) Claimed()                               {}

func native(name string) *catalog.Service {
	return &catalog.Service{Key: catalog.Key{Namespace: "shop", Name: name}, Type: catalog.Headless}
}

// followed is a server that is watched over a wire.
type followed struct {
	*Server
	catalog *catalog.Catalog
	writer  registry.Writer
	wire    *fates
}

func follow(t *testing.T) *followed { t.Helper(); return followOf(t, Ways{}) }

func followOf(t *testing.T, ways Ways) *followed {
	t.Helper()
	f := &followed{Server: NewServerOf("memory:1", ways), catalog: catalog.New(catalog.Policy{}), wire: &fates{of: map[Verb]Fate{}}}
	f.writer = f.Via(f.wire).Writer("me")
	f.Set(native("a"))
	f.watch(t)
	f.claim(t)
	synctest.Wait()
	return f
}

// watch watches until the test ends.
func (f *followed) watch(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		registry.Supervise(ctx, f.writer, f.catalog.Feed("memory/1"), slog.New(slog.DiscardHandler))
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

func (f *followed) claim(t *testing.T) {
	t.Helper()
	if err := f.writer.Claim(t.Context(), registry.Fence{Owner: "me", Sources: []catalog.Identity{"consul:1"}}, false); err != nil {
		t.Fatal(err)
	}
}

func (f *followed) put(t *testing.T, name string) error {
	t.Helper()
	return f.writer.Put(t.Context(), []*catalog.Service{mirror(name)})[0].Err
}

// delete deletes a mirror as it was last told.
func (f *followed) delete(t *testing.T, name string) {
	t.Helper()
	is := f.catalog.Snapshot().Get("memory/1", mirror(name).Ref())
	if is == nil {
		t.Fatalf("nobody told of %q", name)
	}
	_ = f.writer.Delete(t.Context(), []*catalog.Service{is})
	synctest.Wait()
}

// mirror is a mirror of one ready endpoint.
func mirror(name string) *catalog.Service {
	s := native(name)
	s.Mark = &catalog.Mark{Owner: "me", Of: "consul:1", Key: s.Key, Format: catalog.MarkFormat}
	s.Endpoints = []catalog.Endpoint{{ID: "1", Host: catalog.ParseHost("10.0.0.1"), Ready: true, Serving: true}}
	return s
}

func (f *followed) want(t *testing.T, what string, services int) {
	t.Helper()
	synctest.Wait()
	if st := f.catalog.Snapshot().State("memory/1"); st.Services != services {
		t.Errorf("%s: %d services are reported, want %d", what, st.Services, services)
	}
}

// TestFates holds what each fate does, and what readers make of it in time.
func TestFates(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*testing.T, *followed)
	}{
		{"a change that is not told is found by comparing", func(t *testing.T, f *followed) {
			f.wire.will(Watch, Unseen)
			f.Set(native("b"))
			f.want(t, "not told", 1)
			time.Sleep(compareIn)
			f.want(t, "compared", 2)
			if n := f.catalog.Snapshot().State("memory/1").Missed; n != 1 {
				t.Errorf("missed %d, want 1", n)
			}
		}},
		{"what a server says that is behind is not reported", func(t *testing.T, f *followed) {
			f.Save()
			f.Set(native("b"))
			f.want(t, "told", 2)
			f.wire.will(List, Older)
			f.Link().Cut()
			f.Link().Heal()
			synctest.Wait()
			f.Link().Cut()
			synctest.Wait()
			f.Link().Heal()
			time.Sleep(time.Minute)
			f.want(t, "answered by one that is behind", 2)
		}},
		{"an empty answer is one", func(t *testing.T, f *followed) {
			f.wire.will(List, Empty)
			time.Sleep(compareIn)
			f.want(t, "compared", 0)
		}},
		{"a server that is restored is read anew, and its fence is what it was", func(t *testing.T, f *followed) {
			b := f.Save()
			f.Set(native("b"))
			f.RemoveFence("me")
			if err := f.put(t, "c"); !errors.Is(err, registry.ErrNoFence) {
				t.Errorf("Put without a fence = %v", err)
			}
			f.Restore(b)
			time.Sleep(time.Second)
			f.want(t, "restored", 1)
			if err := f.put(t, "c"); err != nil {
				t.Error(err)
			}
		}},
		{"another registry is said to be one, and takes no writes", func(t *testing.T, f *followed) {
			f.Link().Mislead()
			time.Sleep(time.Minute)
			f.want(t, "led astray", 0)
			if id := f.catalog.Snapshot().State("memory/1").Identity; id != "memory:1-other" {
				t.Errorf("it says it is %q", id)
			}
			if err := f.put(t, "b"); !errors.Is(err, errOther) {
				t.Errorf("Put = %v, want %v", err, errOther)
			}
			f.Set(native("c"))
			time.Sleep(time.Minute)
			f.want(t, "still led astray", 0)
			f.Link().Heal()
			time.Sleep(time.Minute)
			f.want(t, "healed", 2)
			if id := f.catalog.Snapshot().State("memory/1").Identity; id != "memory:1" {
				t.Errorf("it says it is %q", id)
			}
		}},
		{"what is hidden is told to be", func(t *testing.T, f *followed) {
			f.Set(native("b"))
			f.Hide(errors.New("may not"))
			time.Sleep(time.Second)
			f.want(t, "in part", 1)
			if f.catalog.Snapshot().State("memory/1").Partial == nil {
				t.Error("not said to be in part")
			}
			f.Hide(nil)
			time.Sleep(time.Second)
			f.want(t, "all", 2)
		}},
		{"a write that is late is on its own conditions", func(t *testing.T, f *followed) {
			f.wire.will(Put, Late)
			if err := f.put(t, "b"); !errors.Is(err, registry.ErrUnknownOutcome) {
				t.Errorf("Put = %v", err)
			}
			f.want(t, "not there yet", 1)
			if n, _ := f.Land(); n != 1 {
				t.Errorf("%d landed, want 1", n)
			}
			f.want(t, "there", 2)
			_ = f.put(t, "c")
			if err := f.Writer("me").Claim(t.Context(), registry.Fence{Owner: "me", Sources: []catalog.Identity{"consul:1"}}, true); err != nil {
				t.Fatal(err)
			}
			if n, _ := f.Land(); n != 0 {
				t.Errorf("%d landed of one who is deposed", n)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.do(t, follow(t)) })
		})
	}
}
