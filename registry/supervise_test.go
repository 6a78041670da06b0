package registry_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// scripted is a registry whose Watch does the next step each time it is called.
type scripted struct {
	start time.Time
	calls []time.Duration // when Watch was called
	steps []func(context.Context, *catalog.Feed) error
}

func (s *scripted) Watch(ctx context.Context, feed *catalog.Feed) error {
	s.calls = append(s.calls, time.Since(s.start))
	if len(s.steps) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	step := s.steps[0]
	s.steps = s.steps[1:]
	return step(ctx, feed)
}

func (*scripted) Close() error { return nil }

func refused(context.Context, *catalog.Feed) error { return errors.New("connection refused") }

func works(d time.Duration) func(context.Context, *catalog.Feed) error {
	return func(ctx context.Context, f *catalog.Feed) error {
		f.Replace(nil)
		time.Sleep(d)
		return errors.New("cut")
	}
}

// supervised runs the steps for a while and returns what was logged, a line
// each, and the registry.
func supervised(t *testing.T, for_ time.Duration, steps ...func(context.Context, *catalog.Feed) error) ([]string, *scripted, catalog.State) {
	t.Helper()
	var b bytes.Buffer
	r := &scripted{start: time.Now(), steps: steps}
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	feed := catalog.New(catalog.Policy{}).Feed("etcd/x")
	ctx, cancel := context.WithTimeout(t.Context(), for_)
	defer cancel()
	registry.Supervise(ctx, r, feed, log)
	return strings.Split(strings.TrimSpace(b.String()), "\n"), r, feed.State()
}

func TestSuperviseSaysEachChangeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, _, st := supervised(t, time.Hour, refused, refused, refused, works(time.Minute), refused, works(time.Hour*2))
		want := []string{
			`level=WARN msg="origin cannot be read yet, and is tried again" origin=etcd/x error="connection refused"`,
			`level=INFO msg="origin can be read" origin=etcd/x services=0`,
			`level=WARN msg="origin lost, what it last reported stands" origin=etcd/x error=cut`,
			`level=INFO msg="origin can be read" origin=etcd/x services=0`,
		}
		if diff := cmp.Diff(want, lines); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		if !st.Synced || !st.Connected {
			t.Errorf("state = %+v, want synced and connected", st)
		}
	})
}

// TestSuperviseSaysOtherReasonsRarely has two reasons that alternate, and one
// that is new after a while.
func TestSuperviseSaysOtherReasonsRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var steps []func(context.Context, *catalog.Feed) error
		for i := range 40 {
			steps = append(steps, func(context.Context, *catalog.Feed) error {
				if i == 39 {
					return errors.New("denied")
				}
				return []error{errors.New("refused"), errors.New("no route")}[i%2]
			})
		}
		lines, _, _ := supervised(t, time.Hour, steps...)
		if len(lines) != 3 || !strings.Contains(lines[0], "refused") || !strings.Contains(lines[1], "no route") || !strings.Contains(lines[2], "denied") {
			t.Errorf("log = %q, want each reason once", lines)
		}
	})
}

// TestSupervisePauses holds that a registry of which nothing is heard is asked
// neither without a pause nor after a long one, since it may come up.
func TestSupervisePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := make([]func(context.Context, *catalog.Feed) error, 200)
		for i := range steps {
			steps[i] = refused
		}
		_, r, st := supervised(t, 5*time.Minute, steps...)
		if st.Connected || st.Err == nil {
			t.Errorf("state = %+v, want an error", st)
		}
		for i := 1; i < len(r.calls); i++ {
			if pause := r.calls[i] - r.calls[i-1]; pause < 50*time.Millisecond || pause > 3*time.Second {
				t.Errorf("pause %d is %v, want 50ms to 3s", i, pause)
			}
		}
		if len(r.calls) < 100 || len(r.calls) > 130 {
			t.Errorf("%d tries in 5 minutes, want 100 to 130", len(r.calls))
		}
	})
}

func TestSuperviseStartsAfreshAfterNews(t *testing.T) {
	for _, worked := range []time.Duration{time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			steps := make([]func(context.Context, *catalog.Feed) error, 20)
			for i := range steps {
				steps[i] = refused
			}
			_, r, _ := supervised(t, time.Hour, append(steps, works(worked))...)
			n := len(r.calls)
			if pause := r.calls[n-1] - r.calls[n-2] - worked; pause > 150*time.Millisecond {
				t.Errorf("pause after a Watch that worked for %v is %v, want at most 150ms", worked, pause)
			}
		})
	}
}

// TestSuperviseListsRarely holds that an origin whose lists work and whose
// watches end at once, however long a list takes, is not listed without a pause.
func TestSuperviseListsRarely(t *testing.T) {
	for _, tt := range []struct {
		name         string
		list, follow time.Duration
		least, most  int // in 10 minutes
	}{
		{"at once", 0, 0, 50, 100},
		{"slow lists", 20 * time.Second, 0, 17, 27},
		{"watches that last", 0, 20 * time.Second, 28, 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				steps := make([]func(context.Context, *catalog.Feed) error, 200)
				for i := range steps {
					steps[i] = func(ctx context.Context, f *catalog.Feed) error {
						time.Sleep(tt.list)
						return works(tt.follow)(ctx, f)
					}
				}
				_, r, _ := supervised(t, 10*time.Minute, steps...)
				if n := len(r.calls); n < tt.least || n > tt.most {
					t.Errorf("%d lists in 10 minutes, want %d to %d", n, tt.least, tt.most)
				}
			})
		})
	}
}

// TestSuperviseHearsTheRegistry holds that a registry which goes on trying
// inside one Watch is said to be lost and back, too.
func TestSuperviseHearsTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines, _, _ := supervised(t, time.Hour, func(ctx context.Context, f *catalog.Feed) error {
			f.Replace(nil)
			for range 3 {
				f.Connected(errors.New("410 gone"))
				synctest.Wait()
			}
			f.Connected(nil)
			<-ctx.Done()
			return ctx.Err()
		})
		if len(lines) != 2 || !strings.Contains(lines[0], "410 gone") || !strings.Contains(lines[1], "can be read") {
			t.Errorf("log = %q, want lost and back once", lines)
		}
	})
}

// TestSuperviseReadsHollowAgain holds that a Watch ends once the catalog needs
// what it did not keep, and not before, and that the origin is not lost by it.
func TestSuperviseReadsHollowAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := catalog.New(catalog.Policy{Origins: []catalog.OriginPolicy{{Origin: "consul/x", Bare: true}, {Origin: "kubernetes/y", Speaks: true}}})
		feed, cluster := c.Feed("consul/x"), c.Feed("kubernetes/y")
		cluster.Identify("k1")
		cluster.Replace(nil)
		watch := func(ctx context.Context, f *catalog.Feed) error {
			f.Replace([]*catalog.Service{{Key: catalog.Key{Namespace: "consul", Name: "web"}, Mark: &catalog.Mark{Owner: "prod", Of: "k1"}}})
			<-ctx.Done()
			return ctx.Err()
		}
		r := &scripted{start: time.Now(), steps: []func(context.Context, *catalog.Feed) error{watch, watch}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { registry.Supervise(ctx, r, feed, slog.New(slog.DiscardHandler)); close(done) }()
		synctest.Wait()
		if len(r.calls) != 1 || feed.State().Hollow {
			t.Fatalf("%d watches, and the state is %+v", len(r.calls), feed.State())
		}
		cluster.Identify("k2")
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := feed.State(); len(r.calls) != 2 || st.Hollow || !st.Connected {
			t.Errorf("%d watches, and the state is %+v", len(r.calls), st)
		}
		cancel()
		<-done
	})
}
