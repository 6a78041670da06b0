package isthmus

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/isthmus-dns/isthmus/catalog"
)

// source is where the metrics of one block come from.
type source struct {
	zone   string
	server *dnsserver.Config
	views  *views
}

// labels are the values of the labels that tell one block from another.
func (s source) labels() [3]string {
	host := ""
	if len(s.server.ListenHosts) > 0 {
		host = s.server.ListenHosts[0]
	}
	return [3]string{s.server.Transport + "://" + host + ":" + s.server.Port, s.zone, s.server.ViewName}
}

// collector reads the metrics of all blocks from their newest views, when it
// is asked for them. There is one in a prometheus registry. Of several sources
// in one place the last one counts: during a reload the new block's, and if
// that fails the old one's again.
type collector struct {
	descs []metric

	mu      sync.Mutex // guards sources
	sources map[[3]string][]source
}

// metric is one number of an origin.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(catalog.State) (float64, bool)
}

func newCollector() *collector {
	desc := func(metric, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, name, metric), help, []string{"server", "zone", "view", "origin"}, nil)
	}
	return &collector{
		sources: make(map[[3]string][]source),
		descs: []metric{
			{desc("services", "Services that the origin holds."), prometheus.GaugeValue, func(s catalog.State) (float64, bool) { return float64(s.Services), true }},
			{desc("endpoints", "Endpoints that the origin holds."), prometheus.GaugeValue, func(s catalog.State) (float64, bool) { return float64(s.Endpoints), true }},
			{desc("refused_records", "Records of the origin that are left out because they are malformed."), prometheus.GaugeValue, func(s catalog.State) (float64, bool) { return float64(s.Refused), true }},
			{desc("origin_synced", "Whether the origin reported all that it holds at least once."), prometheus.GaugeValue, func(s catalog.State) (float64, bool) { return number(s.Synced), true }},
			{desc("origin_stale", "Whether the origin was not read since the start and is answered from the file of a snapshot."), prometheus.GaugeValue, func(s catalog.State) (float64, bool) { return number(!s.Stale.IsZero()), true }},
			{desc("origin_connected", "Whether the origin can be read now."), prometheus.GaugeValue, func(s catalog.State) (float64, bool) { return number(s.Connected), true }},
			{desc("origin_news_age_seconds", "Time since the origin was last heard of."), prometheus.GaugeValue, newsAge},
			{desc("missed_changes_total", "Changes that the origin did not tell of, found by comparing."), prometheus.CounterValue, func(s catalog.State) (float64, bool) { return float64(s.Missed), true }},
		},
	}
}

// newsAge is not known of an origin that was never heard of.
func newsAge(s catalog.State) (float64, bool) {
	return time.Since(s.News).Seconds(), !s.News.IsZero()
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.descs {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	sources := maps.Clone(c.sources)
	c.mu.Unlock()
	for labels, all := range sources {
		snap := all[len(all)-1].views.newest.Load().snap
		for _, s := range snap.Origins() {
			for _, m := range c.descs {
				if v, known := m.value(s); known {
					to <- prometheus.MustNewConstMetric(m.desc, m.kind, v, append(slices.Clone(labels[:]), string(s.Origin))...)
				}
			}
		}
	}
}

func (c *collector) add(s source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sources[s.labels()] = append(slices.Clip(c.sources[s.labels()]), s)
}

func (c *collector) remove(s source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(c.sources[s.labels()]), func(x source) bool { return x == s })
	if len(rest) > 0 {
		c.sources[s.labels()] = rest
	} else {
		delete(c.sources, s.labels())
	}
}

// exportMetrics registers s, what is known of p, with reg while p runs.
func exportMetrics(c *caddy.Controller, p *process, reg prometheus.Registerer, s source) {
	c.OnStartup(func() error {
		to, err := register(reg)
		if err != nil {
			return plugin.Error(name, err)
		}
		to.add(s)
		p.atStop = append(p.atStop, func() { to.remove(s) })
		return nil
	})
}

// register returns the collector of reg; the first call makes it.
func register(reg prometheus.Registerer) (*collector, error) {
	c := newCollector()
	err := reg.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if c, ours := there.ExistingCollector.(*collector); ours {
			return c, nil
		}
	}
	return c, err
}
