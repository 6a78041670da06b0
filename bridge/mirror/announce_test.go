package mirror

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestAnnounce holds who is told what, and that nothing is told again while it
// goes on to hold, though its numbers change.
func TestAnnounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const natives = "service shop/bad Headless\nservice shop/web Headless\n\tendpoint 10.0.0.1 id=a ready\n"
		a, b := newStore(t, src, many(20)+natives), newStore(t, dst, "service shop/web Headless\n")
		var mu sync.Mutex
		var told []string
		p := startTold(t, func(o catalog.Origin, n registry.Notice) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, string(o)+" "+n.Key.String()+" "+string(n.Reason)+": "+n.Text)
		}, a, b)
		defer p.stop()
		heard := func() []string {
			mu.Lock()
			defer mu.Unlock()
			all := told
			told = nil
			slices.Sort(all)
			return all
		}
		pass(time.Second)
		if diff := cmp.Diff([]string{
			`consul/dst shop/web NameTaken: kubernetes/src "shop/web" is not mirrored here: a native service has the name`,
			`kubernetes/src shop/bad RecordRefused: not mirrored to consul/dst as "shop/bad": cannot be held`,
			`kubernetes/src shop/web NameTaken: not mirrored to consul/dst as "shop/web": a native service has the name`,
		}, heard()); diff != "" {
			t.Errorf("told: -want +got\n%s", diff)
		}
		a.remove(refs(15)...)
		pass(time.Second)
		all := heard()
		if len(all) != 30 || !strings.HasPrefix(all[0], `consul/dst n/s000 DeletionHeld: kubernetes/src no longer has it as "n/s000"; it stays until "isthmus approve kubernetes/src:consul/dst"`) {
			t.Errorf("of 15 held: %d told, first %q", len(all), all[:min(1, len(all))])
		}
		a.remove(refs(16)[15])
		pass(time.Second)
		if all := heard(); len(all) != 2 || !strings.Contains(all[0], "n/s015") {
			t.Errorf("of one more: %q", all)
		}
		b.Link().Cut()
		pass(time.Minute)
		b.Link().Heal()
		pass(time.Minute)
		if all := heard(); len(all) != 0 {
			t.Errorf("of a registry that was away: %q", all)
		}
	})
}

// startTold runs one rule that tells.
func startTold(t *testing.T, tell Tell, stores ...*store) *process {
	return startWith(t, func(l *Loop) { l.Announce(tell) }, nil, []*Rule{rule()}, stores...)
}
