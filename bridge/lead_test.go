package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const elected = `
bridge prod {
    kubernetes prod
    kubernetes lead
    consul dc1
    mirror kubernetes/prod consul/dc1
    lead kubernetes kubernetes/lead isthmus/bridge
}
`

// replica is one of several bridges of an owner, running.
type replica struct {
	t     *testing.T
	b     *Bridge
	log   *strings.Builder
	stop  context.CancelFunc
	ended chan error
}

func startReplica(t *testing.T, all places) *replica {
	t.Helper()
	r := &replica{t: t, log: &strings.Builder{}, ended: make(chan error, 1)}
	r.b = opened(t, elected, all, io.MultiWriter(r.log, t.Output()))
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = once(func() {
		cancel()
		if err := errors.Join(<-r.ended, r.b.Close()); err != nil {
			t.Error(err)
		}
	})
	go func() { r.ended <- r.b.Run(ctx) }()
	pass(time.Second)
	return r
}

// once is once, since a replica may be stopped by its test or at the end.
func once(do func()) context.CancelFunc {
	done := false
	return func() {
		if !done {
			done = true
			do()
		}
	}
}

// pass lets time go by in a bubble.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *replica) ready() int {
	w := httptest.NewRecorder()
	r.b.ready(w, nil)
	return w.Code
}

func (r *replica) metrics() string {
	w := httptest.NewRecorder()
	r.b.pages().ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), "GET", "/metrics", nil))
	return w.Body.String()
}

// wantLeads holds what a replica says of itself.
func (r *replica) wantLeads(leads bool) {
	r.t.Helper()
	st, rule := r.b.Status().Lead, r.b.Report().Rules[0]
	if st.Leads != leads || strings.HasPrefix(rule.Blocked, "standing by") == leads || (r.b.mayWrite() == nil) != leads {
		r.t.Errorf("leads: %+v, rule blocked by %q, may write: %v; want leads %v", st, rule.Blocked, r.b.mayWrite(), leads)
	}
	metric := map[bool]string{true: "isthmus_bridge_leader 1\n", false: "isthmus_bridge_leader 0\n"}[leads]
	if page := r.metrics(); !strings.Contains(page, metric) || strings.Contains(page, "isthmus_rule_") != leads {
		r.t.Errorf("metrics without %sor with those of rules while nobody works by them:\n%s", metric, page)
	}
	if code := r.ready(); code != 200 {
		r.t.Errorf("ready: %d", code)
	}
}

func electedPlaces(t *testing.T) places {
	return newPlaces(t, map[catalog.Origin]string{
		"kubernetes/prod": "service shop/web ClusterIP\n\tendpoint 10.0.0.1 id=a ready\n",
		"kubernetes/lead": "",
		"consul/dc1":      "",
	})
}

func parsed(t *testing.T, text string) *catalog.Service {
	t.Helper()
	all, err := catalog.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return all[0]
}

// mirrored reports whether consul/dc1 has a mirror of a Service of the namespace shop.
func (all places) mirrored(name string) bool {
	return all["consul/dc1"].Get(catalog.Ref{Key: catalog.Key{Namespace: "consul", Name: name + "-shop"}, Owner: "prod"}) != nil
}

// TestLeadHandsOver holds that a standby writes nothing at all, and leads once
// the leader stops.
func TestLeadHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := electedPlaces(t)
		a := startReplica(t, all)
		defer a.stop()
		a.wantLeads(true)
		before := all["consul/dc1"].Stamp()
		b := startReplica(t, all)
		defer b.stop()
		pass(time.Hour)
		if after := all["consul/dc1"].Stamp(); after != before || !all.mirrored("web") {
			t.Errorf("with a standby:\n%s\nbefore:\n%s", after, before)
		}
		a.wantLeads(true)
		b.wantLeads(false)
		if st := b.b.Status(); st.Lead.Leader != a.b.leader.name || st.Lead.Name == st.Lead.Leader {
			t.Errorf("the standby knows of %+v, want %q", st.Lead, a.b.leader.name)
		}
		if _, err := b.b.Approve("kubernetes/prod:consul/dc1"); !errors.Is(err, ErrNothingHeld) || !strings.Contains(err.Error(), "standing by") {
			t.Errorf("Approve of a standby: %v", err)
		}

		a.stop()
		pass(100 * time.Millisecond)
		b.wantLeads(true)
		moved := all["consul/dc1"].Stamp()
		if moved == before {
			t.Error("the new leader did not move the fence")
		}
		all["kubernetes/prod"].Set(parsed(t, "service shop/db ClusterIP\n\tendpoint 10.0.0.2 id=a ready\n"))
		pass(time.Second)
		if !all.mirrored("db") || !all.mirrored("web") {
			t.Error("the new leader does not write, or deleted something")
		}
	})
}

// TestLeadLost holds that who cannot renew the lease stops writing in the same
// process, shuts nobody out, and takes over again when it is elected.
func TestLeadLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := electedPlaces(t)
		a := startReplica(t, all)
		defer a.stop()
		late := all.open("consul/dc1", "prod") // as a write of the first term that is under way for long
		fence := registry.Fence{Owner: "prod", Sources: []catalog.Identity{"id:kubernetes/prod"}}
		if err := late.Claim(t.Context(), fence, false); err != nil {
			t.Fatal(err)
		}
		all["kubernetes/lead"].Link().Cut()
		pass(registry.DefaultLeaseTimes().Deadline - 3*time.Second)
		a.wantLeads(true)
		pass(5 * time.Second)
		a.wantLeads(false)
		before := all["consul/dc1"].Stamp()
		all["kubernetes/prod"].Remove(catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}})
		pass(time.Minute)
		if all["consul/dc1"].Stamp() != before {
			t.Error("written without a lease")
		}
		if st := a.b.Status().Lead; st.Error == "" || strings.Count(a.log.String(), "no part in the election") != 2 {
			t.Errorf("that the lease was lost and then why nobody is elected is not said, or not once: %+v", st)
		}
		all["kubernetes/lead"].Link().Heal()
		pass(time.Minute)
		a.wantLeads(true)
		if all.mirrored("web") {
			t.Error("not written once it leads again")
		}
		m := parsed(t, "service consul/late-shop Headless\n\tendpoint 10.0.0.3 id=a ready\n")
		m.Mark = &catalog.Mark{Owner: "prod", Of: "id:kubernetes/prod", Key: catalog.Key{Namespace: "shop", Name: "late"}, Format: catalog.MarkFormat}
		if r := late.Put(t.Context(), []*catalog.Service{m})[0]; !errors.Is(r.Err, registry.ErrFenced) {
			t.Errorf("a late write of the term before: %v, want %v", r.Err, registry.ErrFenced)
		}
	})
}

// TestLeadFencedOff holds that a leader which somebody shut out of a target gives up
// the lease, is elected anew and writes there again; ever more slowly if it is shut out
// again and again.
func TestLeadFencedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := electedPlaces(t)
		a := startReplica(t, all)
		defer a.stop()
		newer, times := all.open("consul/dc1", "prod"), registry.DefaultLeaseTimes()
		moved := func() {
			if err := newer.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"id:kubernetes/prod"}}, true); err != nil {
				t.Fatal(err)
			}
		}
		says := func(n int) {
			all["kubernetes/prod"].Set(parsed(t, fmt.Sprintf("service shop/db ClusterIP\n\tendpoint 10.0.%d.%d id=a ready\n", n/250, n%250)))
			pass(time.Second)
		}
		moved()
		says(1)
		if all.mirrored("db") {
			t.Error("written past the fence")
		}
		a.wantLeads(false)
		pass(2 * times.Retry)
		a.wantLeads(true)
		if !all.mirrored("db") {
			t.Error("not written once elected anew")
		}

		const again = "standing for election anew"
		before, began := strings.Count(a.log.String(), again), time.Now()
		for n := 0; time.Since(began) < time.Hour; n++ {
			moved()
			says(n)
		}
		if n := strings.Count(a.log.String(), again) - before; n < 100 || n > 150 {
			t.Errorf("shut out %d times in an hour, want about one in %s", n, 2*times.Lease)
		}
	})
}

// TestLeadOfAnother holds that a bridge whose owner name is in use for other
// sources moves no fence, elected or not.
func TestLeadOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := electedPlaces(t)
		other := all.open("consul/dc1", "prod")
		if err := other.Claim(t.Context(), registry.Fence{Owner: "prod", Sources: []catalog.Identity{"id:another"}}, true); err != nil {
			t.Fatal(err)
		}
		before := all["consul/dc1"].Stamp()
		a := startReplica(t, all)
		defer a.stop()
		pass(time.Hour)
		if all["consul/dc1"].Stamp() != before {
			t.Error("written, or the other's fence moved")
		}
		if rule := a.b.Report().Rules[0]; !strings.Contains(rule.Blocked, "in use for other sources") {
			t.Errorf("rule: %+v", rule)
		}
	})
}

// TestLeadWords holds where a leader is elected by which words, and by default.
func TestLeadWords(t *testing.T) {
	const text = "bridge prod {\n kubernetes prod\n consul dc1\n mirror kubernetes/prod consul/dc1\n %LEAD%\n}\n"
	inPod := func(name string) string {
		return map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}[name]
	}
	for _, tt := range []struct {
		name, lead string
		env        func(string) string
		want       string
		at         catalog.Origin
		alone      bool
	}{
		{"none said", "", noEnv, "none", "", false},
		{"none said, in a pod", "", inPod, "kubernetes", "kubernetes/election", false},
		{"none", "lead none", inPod, "none", "", true},
		{"the one cluster", "lead kubernetes isthmus/x", inPod, "kubernetes isthmus/x", "kubernetes/prod", false},
		{"a named one", "kubernetes b\n lead kubernetes kubernetes/b isthmus/x", noEnv, "kubernetes isthmus/x", "kubernetes/b", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Parse("isthmus.conf", []byte(strings.Replace(text, "%LEAD%", tt.lead, 1)), kinds(unopened), tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Lead.String(); got != tt.want || c.Lead.at() != tt.at || c.Alone != tt.alone {
				t.Errorf("lead %q at %q, alone %v; want %q at %q, %v", got, c.Lead.at(), c.Alone, tt.want, tt.at, tt.alone)
			}
		})
	}
}
