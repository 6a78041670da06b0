package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

// lag is how long each piece of what a slow connection carries takes.
const lag = 200 * time.Millisecond

// blind takes from the token the right to read services, and keeps from the bridge
// what etcd says, while that is compacted.
func (w *pair) blind(t *testing.T) {
	ctx, etcd := t.Context(), w.bridge.links["etcd"]
	less := withoutReading(w.consul.rules)
	if less == w.consul.rules {
		t.Fatalf("no right to read services in:\n%s", w.consul.rules)
	}
	if err := w.consul.allow(ctx, less); err != nil {
		t.Fatal(err)
	}
	etcd.stall()
	pause(ctx, held)
	w.behind(t, "consul")
	w.behind(t, "etcd")
	if err := w.compact(ctx); err != nil {
		t.Fatal(err)
	}
	etcd.cut() // what was said before may have got as far as the link
	if err := w.consul.allow(ctx, w.consul.rules); err != nil {
		t.Fatal(err)
	}
	etcd.heal()
	w.settle(t, "rights were taken and etcd compacted", within)
}

// withoutReading leaves out of a policy what is said of services.
func withoutReading(rules string) string {
	var all []string
	for block := range strings.SplitAfterSeq(rules, "}\n") {
		if !strings.HasPrefix(block, "service_prefix") {
			all = append(all, block)
		}
	}
	return strings.Join(all, "")
}

// compact has others write below what the bridge watches, and forgets that they did.
func (w *pair) compact(ctx context.Context) error {
	var last int64
	for i := range 20 {
		key := fmt.Sprintf("/skydns/local/cluster/svc/others/db/%d", i)
		if _, err := w.etcd.client.Put(ctx, key, `{"host":"10.60.0.1","port":80}`); err != nil {
			return err
		}
		gone, err := w.etcd.client.Delete(ctx, key)
		if err != nil {
			return err
		}
		last = gone.Header.Revision
	}
	_, err := w.etcd.client.Compact(ctx, last)
	return err
}

// flap cuts, stalls and robs connections, each for a moment, and heals them.
func (w *world) flap(t *testing.T, r *rand.Rand) {
	modes := []func(*proxy.Proxy){(*proxy.Proxy).Cut, (*proxy.Proxy).Stall, (*proxy.Proxy).LoseAnswers, (*proxy.Proxy).Heal}
	for end := time.Now().Add(held); time.Now().Before(end) && t.Context().Err() == nil; {
		for _, name := range w.targets() {
			w.bridge.links[name].all(modes[r.IntN(len(modes))])
		}
		pause(t.Context(), time.Duration(500+r.IntN(4000))*time.Millisecond)
	}
	w.heal()
	w.settle(t, "connections were cut, stalled and robbed", within)
}

// slow lets each piece of what is said take its time, in both directions.
func (w *world) slow(t *testing.T) {
	for _, link := range w.bridge.links {
		link.all(func(p *proxy.Proxy) { p.Slow(lag) })
	}
	pause(t.Context(), held)
	w.heal()
	w.settle(t, "connections were slow", within)
}

func (w *world) heal() {
	for _, link := range w.bridge.links {
		link.heal()
	}
}

func TestWithoutReading(t *testing.T) {
	in := "node_prefix \"\" {\n  policy = \"read\"\n}\nservice_prefix \"\" {\n  policy = \"write\"\n}\n"
	if got, want := withoutReading(in), "node_prefix \"\" {\n  policy = \"read\"\n}\n"; got != want {
		t.Errorf("withoutReading(%q) = %q, want %q", in, got, want)
	}
	if !slices.Equal([]string{withoutReading("")}, []string{""}) {
		t.Error("something is left of nothing")
	}
}
