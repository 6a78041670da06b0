package isthmus

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestMeters holds that a second block gets the meters of the first, and what
// requests become in them.
func TestMeters(t *testing.T) {
	reg := prometheus.NewRegistry()
	first, err := metersOf(reg)
	if err != nil {
		t.Fatal(err)
	}
	m, err := metersOf(reg)
	if err != nil || m != first {
		t.Fatalf("metersOf a second time = %p, %v, want %p", m, err, first)
	}
	m.Answered("200", "GET", "h:1")
	m.Answered("200", "GET", "h:1")
	m.Took("GET", "h:1", time.Second)
	m.Waited("GET", "h\xff", time.Second)
	want := map[string]float64{
		"coredns_isthmus_rest_client_requests_total{code=200 host=h:1 method=GET}":         2,
		"coredns_isthmus_rest_client_request_duration_seconds{host=h:1 verb=GET}":          1,
		"coredns_isthmus_rest_client_rate_limiter_duration_seconds{host=h\uFFFD verb=GET}": 1,
	}
	if diff := cmp.Diff(want, metricsOf(t, reg)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// TestProgramming follows a catalog: what changed since the first report is
// measured, once, and nothing else.
func TestProgramming(t *testing.T) {
	triggered := func(name string, typ catalog.ServiceType, at time.Time) *catalog.Service {
		return &catalog.Service{Key: catalog.Key{Namespace: "shop", Name: name}, Type: typ, Triggered: at}
	}
	conf := block(t, "kubernetes")
	p, reg := newProcess(conf, slog.New(slog.DiscardHandler)), prometheus.NewRegistry()
	m, err := metersOf(reg)
	if err != nil {
		t.Fatal(err)
	}
	p.views.meters = m
	feed, then := p.catalog.Feed("kubernetes/cluster"), time.Now().Add(-time.Second)
	feed.Replace([]*catalog.Service{triggered("old", catalog.ClusterIP, then), triggered("same", catalog.ClusterIP, then)})
	follow := func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { p.views.follow(ctx, p.catalog); close(done) }()
		if !p.views.await(t.Context(), func(v *view) bool { return v.snap == p.catalog.Snapshot() }) {
			t.Fatal("no view")
		}
		cancel()
		<-done
	}
	follow()
	feed.Update([]*catalog.Service{
		triggered("old", catalog.ClusterIP, then.Add(time.Millisecond)),
		triggered("same", catalog.ClusterIP, then),
		triggered("new", catalog.Headless, then),
		triggered("alias", catalog.ExternalName, then),
		triggered("manual", catalog.Headless, time.Time{}),
	}, nil)
	follow()
	want := map[string]float64{
		"coredns_isthmus_dns_programming_duration_seconds{service_kind=cluster_ip}":             1,
		"coredns_isthmus_dns_programming_duration_seconds{service_kind=headless_with_selector}": 1,
	}
	if diff := cmp.Diff(want, metricsOf(t, reg)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}
