package kubernetes

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
)

// inRange returns whether an address is in a range of the cluster's.
func inRange(addr string) func(*catalog.Snapshot) bool {
	return func(s *catalog.Snapshot) bool {
		_, is := s.Ranges(origin).Of(netip.MustParseAddr(addr))
		return is
	}
}

// testRanges reads the Service ranges where they are asked for, and only there, as
// they come and go. That they may not be read is shown, and in the way of nothing.
func (s *shared) testRanges(t *testing.T) {
	admin := &config{name: "test", kubeconfig: []string{s.Kubeconfig()}, qps: 100, burst: 100}
	all := watching(t, admin.Detailed(registry.Details{Ranges: true}).(*config).mustRead(t))
	all.until("services", func(snap *catalog.Snapshot) bool { return snap.Synced(origin) })
	for _, addr := range []string{"10.96.0.1", "10.96.255.254", "fd00:10:96::1"} {
		if !inRange(addr)(all.catalog.Snapshot()) {
			t.Errorf("%s is in no range, or that came later than services", addr)
		}
	}
	if inRange("10.97.0.1")(all.catalog.Snapshot()) {
		t.Error("10.97.0.1 is in a range")
	}
	cidrs := s.client.NetworkingV1().ServiceCIDRs()
	more := &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: "more"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.97.0.0/20"}}}
	if _, err := cidrs.Create(t.Context(), more, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	all.until("a range that came", inRange("10.97.0.1"))
	if err := cidrs.Delete(t.Context(), "more", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	all.until("a range that went", func(snap *catalog.Snapshot) bool { return !inRange("10.97.0.1")(snap) && inRange("10.96.0.1")(snap) })
	none := watching(t, admin.mustRead(t))
	none.until("services", func(snap *catalog.Snapshot) bool { return snap.Synced(origin) })
	if none.catalog.Snapshot().Ranges(origin) != (catalog.Ranges{}) {
		t.Error("ranges were reported without being asked for")
	}
}

// testNoRanges reads as somebody who may not read the ranges.
func (s *shared) testNoRanges(t *testing.T) {
	u := s.newUser(t)
	u.shared.grant(t, u.name, "", []rbacv1.PolicyRule{
		may("services", "list", "watch"), may("namespaces", "list", "watch"), may(slicesIn, "list", "watch"),
	})
	log := new(serverstest.Output)
	c := &config{name: "test", kubeconfig: []string{u.kubeconfig}, qps: 100, burst: 100, details: registry.Details{Ranges: true}}
	r, err := c.Reader(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w := watching(t, r)
	w.until("services", func(snap *catalog.Snapshot) bool { return snap.Synced(origin) })
	snap := w.catalog.Snapshot()
	var shown string
	for record, why := range snap.Refused(origin) {
		shown += record + ": " + why.Error() + "\n"
	}
	if st := snap.State(origin); !st.Connected || snap.Ranges(origin) != (catalog.Ranges{}) ||
		!strings.HasPrefix(shown, "ServiceCIDRs: addresses in the Service range are refused by deny_cidr alone: grant list and watch on servicecidrs: ") {
		t.Errorf("state %+v, refused %s", st, shown)
	}
	if said := log.String(); strings.Count(said, "level=WARN") != 1 || !strings.Contains(said, "servicecidrs") {
		t.Errorf("said:\n%s", said)
	}
}

// TestOlderServer holds that an API server which knows of no Service ranges is read
// as any other, and nothing is wrong with it.
func TestOlderServer(t *testing.T) {
	f := newFake(t)
	log := new(serverstest.Output)
	c := f.config()
	c.details.Ranges = true
	r, err := c.Reader(slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	w := watching(t, r)
	w.until("the server", func(snap *catalog.Snapshot) bool { return snap.Synced(origin) })
	if st := w.catalog.Snapshot().State(origin); !st.Connected || st.Refused != 0 || w.catalog.Snapshot().Ranges(origin) != (catalog.Ranges{}) {
		t.Errorf("state %+v", st)
	}
	if said := log.String(); strings.Contains(said, "WARN") || strings.Count(said, "Service ranges") != 1 {
		t.Errorf("said:\n%s", said)
	}
}

// TestRangesStand holds that ranges which were read stand when they may not be read
// any more, and that this is shown.
func TestRangesStand(t *testing.T) {
	f := newFake(t)
	f.ranges = "10.96.0.0/16"
	c := f.config()
	c.details.Ranges = true
	w := watching(t, c.mustRead(t))
	w.until("the server", func(snap *catalog.Snapshot) bool { return snap.Synced(origin) && inRange("10.96.0.1")(snap) })
	poll(t, "four watches", func() bool { return f.watches() == 4 })
	f.become(func() { f.ranges = "denied" })
	f.endWatches()
	w.until("that it is denied", func(snap *catalog.Snapshot) bool { return snap.State(origin).Refused == 1 })
	poll(t, "that the others are watched again", func() bool { return f.watches() == 3 })
	f.become(func() { f.services["web"] = 1001 })
	f.endWatches()
	w.until("what came later, all watches being heard again", func(snap *catalog.Snapshot) bool {
		return snap.State(origin).Services == 1 && snap.State(origin).Connected
	})
	if snap := w.catalog.Snapshot(); !inRange("10.96.0.1")(snap) {
		t.Errorf("ranges are forgotten: %+v", snap.State(origin))
	}
}

// TestOptional is the table of what becomes of requests for what may not be there.
func TestOptional(t *testing.T) {
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "x"}, "", errors.New("no"))
	broken := errors.New("broken")
	begin := true
	for _, tt := range []struct {
		name         string
		read         bool // before
		answer       error
		first        *bool // it is asked for initial events
		list, watch  string
		refused, now bool
	}{
		{name: "readable", read: true, now: true},
		{name: "readable from the start", first: &begin, now: true},
		{name: "readable since just now", watch: "readable by now", now: true},
		{name: "denied", answer: denied, watch: "readable now", refused: true},
		{name: "denied from now on", read: true, answer: denied, watch: "readable now", refused: true},
		{name: "denied, and initial events are wanted", answer: denied, first: &begin, watch: errUnread.Error(), refused: true},
		{name: "not known", answer: apierrors.NewNotFound(schema.GroupResource{Resource: "x"}, ""), watch: "readable now", refused: true},
		{name: "broken", read: true, answer: broken, list: "broken", watch: "broken", now: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				refused := false
				c := &optional[*networkingv1.ServiceCIDRList]{
					list: func(context.Context, metav1.ListOptions) (*networkingv1.ServiceCIDRList, error) {
						return &networkingv1.ServiceCIDRList{Items: make([]networkingv1.ServiceCIDR, 1)}, tt.answer
					},
					watch:   func(context.Context, metav1.ListOptions) (watch.Interface, error) { return watch.NewFake(), tt.answer },
					none:    func() *networkingv1.ServiceCIDRList { return &networkingv1.ServiceCIDRList{} },
					refused: func(error) { refused = true },
					again:   askAgain,
				}
				c.reads.Store(tt.read)
				w, err := c.Watch(t.Context(), metav1.ListOptions{SendInitialEvents: tt.first})
				if !says(err, tt.watch) || (w != nil) != (err == nil) && err != broken || refused != tt.refused || c.reads.Load() != tt.now {
					t.Errorf("Watch = %v, %v; refused %t, reads %t", w, err, refused, c.reads.Load())
				}
				all, err := c.List(t.Context(), metav1.ListOptions{})
				if !says(err, tt.list) || err == nil && (len(all.Items) == 0) != tt.refused {
					t.Errorf("List = %v, %v", all, err)
				}
			})
		})
	}
}

// says reports whether an error holds a text, or is none where there is none.
func says(err error, want string) bool {
	return (err == nil) == (want == "") && (err == nil || strings.Contains(err.Error(), want))
}
