package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// purge runs a purge that agrees to all, and returns what it was shown.
func purge(t *testing.T, text string, all places, p Purge) (shown []string, err error) {
	t.Helper()
	c, err := Parse("isthmus.conf", []byte(text), kinds(all.open), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	p.Wait = 10 * time.Second
	if p.Waiting == nil {
		p.Waiting = func([]catalog.Origin) {}
	}
	if p.Agree == nil {
		p.Agree = func([]Doomed) (bool, error) { return true, nil }
	}
	agree := p.Agree
	p.Agree = func(all []Doomed) (bool, error) {
		for _, d := range all {
			shown = append(shown, fmt.Sprintf("%s %s", d.Origin, d.Mirror.Key))
		}
		return agree(all)
	}
	told := 0
	p.Progress = func(gone, of int) { told = gone }
	err = p.Run(t.Context(), c, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err == nil && told != len(shown) {
		t.Errorf("told of %d, shown %d", told, len(shown))
	}
	return shown, err
}

// mirrors lists the mirrors that stand at o.
func (all places) mirrors(t *testing.T, o catalog.Origin) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	c := catalog.New(catalog.Policy{})
	feed, ended := c.Feed(o), make(chan error, 1)
	go func() { ended <- all[o].Reader().Watch(ctx, feed) }()
	for s := c.Snapshot(); !s.Synced(o); s = c.Snapshot() {
		<-s.Changed()
	}
	cancel()
	<-ended
	var found []string
	for s := range c.Snapshot().From(o) {
		if s.Mark != nil {
			found = append(found, s.Mark.Owner+" "+s.Key.String())
		}
	}
	slices.Sort(found)
	return found
}

// twoSources is a file by which two registries are mirrored to a third, and
// without is the one that is left of it once the second is gone.
const twoSources = `
bridge prod {
    kubernetes prod
    kubernetes old
    consul dc1
    mirror kubernetes/prod consul/dc1
    mirror kubernetes/old consul/dc1
    lead none
}
`

var without = strings.NewReplacer("    kubernetes old\n", "", "    mirror kubernetes/old consul/dc1\n", "")

// mirrored returns registries over which a bridge with two sources ran, and in
// which another owner has a mirror, too.
func mirrored(t *testing.T) places {
	t.Helper()
	all := newPlaces(t, map[catalog.Origin]string{
		"kubernetes/prod": "service shop/a Headless\nservice shop/b Headless\n",
		"kubernetes/old":  "service shop/c Headless\n",
		"consul/dc1":      "service consul/native Headless\nservice consul/x Headless\n\tmark owner=you of=id:else key=n/x format=1\n",
	})
	b := opened(t, twoSources, all, t.Output())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	settle()
	cancel()
	if err := errors.Join(<-ended, b.Close()); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPurge(t *testing.T) {
	for _, tt := range []struct {
		name, text  string
		p           Purge
		cut         catalog.Origin
		shown, left []string
		err         string
	}{
		{name: "all", text: twoSources, shown: []string{"consul/dc1 consul/a-shop", "consul/dc1 consul/b-shop", "consul/dc1 consul/c-shop"}, left: []string{"you consul/x"}},
		{name: "orphans of a whole file", text: twoSources, p: Purge{Orphans: true}, left: []string{"prod consul/a-shop", "prod consul/b-shop", "prod consul/c-shop", "you consul/x"}},
		{
			name: "orphans of a registry that left", text: without.Replace(twoSources), p: Purge{Orphans: true},
			shown: []string{"consul/dc1 consul/c-shop"}, left: []string{"prod consul/a-shop", "prod consul/b-shop", "you consul/x"},
		},
		{
			name: "of one source", text: twoSources, p: Purge{Of: []catalog.Identity{"id:kubernetes/old"}},
			shown: []string{"consul/dc1 consul/c-shop"}, left: []string{"prod consul/a-shop", "prod consul/b-shop", "you consul/x"},
		},
		{
			name: "a source is down", text: twoSources, cut: "kubernetes/old", err: `read "kubernetes/old": `,
			left: []string{"prod consul/a-shop", "prod consul/b-shop", "prod consul/c-shop", "you consul/x"},
		},
		{
			name: "elsewhere than at a source that is down", text: twoSources, cut: "kubernetes/old", p: Purge{At: []catalog.Origin{"consul/dc1"}},
			shown: []string{"consul/dc1 consul/a-shop", "consul/dc1 consul/b-shop", "consul/dc1 consul/c-shop"}, left: []string{"you consul/x"},
		},
		{
			name: "orphans while a source is down", text: twoSources, p: Purge{Orphans: true}, cut: "kubernetes/old", err: `read "kubernetes/old": `,
			left: []string{"prod consul/a-shop", "prod consul/b-shop", "prod consul/c-shop", "you consul/x"},
		},
		{name: "an unknown registry", text: twoSources, p: Purge{At: []catalog.Origin{"etcd/edge"}}, err: `unknown registry "etcd/edge"`, left: []string{"prod consul/a-shop", "prod consul/b-shop", "prod consul/c-shop", "you consul/x"}},
		{name: "elsewhere", text: twoSources, p: Purge{At: []catalog.Origin{"kubernetes/prod"}}, left: []string{"prod consul/a-shop", "prod consul/b-shop", "prod consul/c-shop", "you consul/x"}},
		{
			name: "not agreed", text: twoSources, p: Purge{Agree: func([]Doomed) (bool, error) { return false, nil }}, err: ErrDisagreed.Error(),
			shown: []string{"consul/dc1 consul/a-shop", "consul/dc1 consul/b-shop", "consul/dc1 consul/c-shop"},
			left:  []string{"prod consul/a-shop", "prod consul/b-shop", "prod consul/c-shop", "you consul/x"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := mirrored(t)
				if tt.cut != "" {
					all[tt.cut].Link().Cut()
				}
				shown, err := purge(t, tt.text, all, tt.p)
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				if diff := cmp.Diff(tt.shown, shown); diff != "" {
					t.Errorf("shown: -want +got\n%s", diff)
				}
				if diff := cmp.Diff(tt.left, all.mirrors(t, "consul/dc1")); diff != "" {
					t.Errorf("left: -want +got\n%s", diff)
				}
			})
		})
	}
}

// TestPurgeForeign holds that a file with somebody else's owner name and other
// sources removes nothing.
func TestPurgeForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := mirrored(t)
		copied := places{"consul/dc1": all["consul/dc1"]}
		for o, p := range newPlaces(t, map[catalog.Origin]string{"kubernetes/staging": "service shop/a Headless\n"}) {
			copied[o] = p
		}
		text := strings.NewReplacer("kubernetes prod", "kubernetes staging", "kubernetes/prod", "kubernetes/staging").Replace(without.Replace(twoSources))
		if _, err := purge(t, text, copied, Purge{}); !errors.Is(err, registry.ErrForeignFence) {
			t.Errorf("purge: %v", err)
		}
		if left := all.mirrors(t, "consul/dc1"); len(left) != 4 {
			t.Errorf("left: %v", left)
		}
	})
}

// TestPurgeWhileRunning holds that a bridge which still runs does not put back
// what a purge removed, and goes on beside one of orphans.
func TestPurgeWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := mirrored(t)
		b := running(t, without.Replace(twoSources), all)
		if o := b.Report().Origins[1].Orphans; o.Count != 1 || o.List[0].Target != "consul/c-shop" {
			t.Errorf("orphans told: %+v", o)
		}
		if _, err := purge(t, without.Replace(twoSources), all, Purge{Orphans: true}); err != nil {
			t.Fatal(err)
		}
		all["kubernetes/prod"].Remove(catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "a"}})
		settle()
		if diff := cmp.Diff([]string{"prod consul/b-shop", "you consul/x"}, all.mirrors(t, "consul/dc1")); diff != "" {
			t.Errorf("beside a purge of orphans: -want +got\n%s", diff)
		}
		if _, err := purge(t, without.Replace(twoSources), all, Purge{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"you consul/x"}, all.mirrors(t, "consul/dc1")); diff != "" {
			t.Errorf("after a purge: -want +got\n%s", diff)
		}
		if r := b.Report().Rules[0]; !strings.Contains(r.Blocked, "took over") {
			t.Errorf("the bridge is not told: %+v", r)
		}
	})
}
