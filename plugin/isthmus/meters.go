package isthmus

import (
	"errors"
	"strings"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// meters are what the stock plugin measures, too: requests to API servers and
// how long a change took until it was answered. There is one in a prometheus
// registry, for all blocks and for good.
type meters struct {
	programming  *prometheus.HistogramVec
	took, waited *prometheus.HistogramVec
	answered     *prometheus.CounterVec
}

var _ registry.Recorder = (*meters)(nil)

func newMeters() *meters {
	histogram := func(metric, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: plugin.Namespace, Subsystem: name, Name: metric, Help: help,
			Buckets: buckets, NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
		}, labels)
	}
	return &meters{
		programming: histogram("dns_programming_duration_seconds", "Time from a change of endpoints until it is answered.",
			prometheus.ExponentialBuckets(0.001, 2, 20), "service_kind"),
		took:   histogram("rest_client_request_duration_seconds", "Time that requests to API servers took.", prometheus.DefBuckets, "verb", "host"),
		waited: histogram("rest_client_rate_limiter_duration_seconds", "Time that requests to API servers were kept back.", prometheus.DefBuckets, "verb", "host"),
		answered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: plugin.Namespace, Subsystem: name, Name: "rest_client_requests_total", Help: "Requests to API servers, by what came of them.",
		}, []string{"code", "method", "host"}),
	}
}

// metersOf returns the meters of reg; the first call makes them.
func metersOf(reg prometheus.Registerer) (*meters, error) {
	m := newMeters()
	err := reg.Register(m)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if m, ours := there.ExistingCollector.(*meters); ours {
			return m, nil
		}
	}
	return m, err
}

func (m *meters) each(do func(prometheus.Collector)) {
	for _, c := range []prometheus.Collector{m.programming, m.took, m.waited, m.answered} {
		do(c)
	}
}

// Describe implements prometheus.Collector.
func (m *meters) Describe(to chan<- *prometheus.Desc) {
	m.each(func(c prometheus.Collector) { c.Describe(to) })
}

// Collect implements prometheus.Collector.
func (m *meters) Collect(to chan<- prometheus.Metric) {
	m.each(func(c prometheus.Collector) { c.Collect(to) })
}

// Answered implements registry.Recorder.
func (m *meters) Answered(code, method, host string) {
	m.answered.WithLabelValues(code, method, label(host)).Inc()
}

// Took implements registry.Recorder.
func (m *meters) Took(method, host string, d time.Duration) {
	m.took.WithLabelValues(method, label(host)).Observe(d.Seconds())
}

// Waited implements registry.Recorder.
func (m *meters) Waited(method, host string, d time.Duration) {
	m.waited.WithLabelValues(method, label(host)).Observe(d.Seconds())
}

func label(host string) string { return strings.ToValidUTF8(host, "\uFFFD") }

// published notes how long what is new took until now, when it is answered. What
// an origin reports first is nothing new.
func (m *meters) published(old, new *catalog.Snapshot, now time.Time) {
	for _, k := range new.Since(old) {
		svc := new.Lookup(k)
		if svc == nil || svc.Triggered.IsZero() || !old.Synced(svc.Origin) {
			continue
		}
		if was := old.Lookup(k); was != nil && !svc.Triggered.After(was.Triggered) {
			continue
		}
		if kind := kindOf(svc); kind != "" {
			m.programming.WithLabelValues(kind).Observe(now.Sub(svc.Triggered).Seconds())
		}
	}
}

// kindOf is the stock plugin's word for a service whose endpoints a controller
// keeps.
func kindOf(svc *catalog.Service) string {
	switch svc.Type {
	case catalog.ClusterIP:
		return "cluster_ip"
	case catalog.Headless:
		return "headless_with_selector"
	}
	return ""
}
