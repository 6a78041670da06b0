package bridge

import (
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// pages are what the address of the metrics serves.
func (b *Bridge) pages() http.Handler {
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collector{b}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", b.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return mux
}

// ready answers 200 once every registry reported everything, and from then on
// while this bridge may write: a registry that is lost later is no reason to
// restart a bridge, a newer writer that took over is one to look at it. A standby
// is ready: it waits for nothing but to be elected.
func (b *Bridge) ready(w http.ResponseWriter, _ *http.Request) {
	for _, st := range b.catalog.Snapshot().Origins() {
		if !st.Synced {
			http.Error(w, string(st.Origin)+" is not synced yet", http.StatusServiceUnavailable)
			return
		}
	}
	for _, rc := range b.config.Registries {
		target := b.targets[rc.Origin()]
		if target == nil || !b.leads() {
			continue
		}
		if err := target.Lost(); err != nil {
			http.Error(w, fmt.Sprintf("%s: %v", rc.Origin(), err), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// collector makes metrics of the status whenever they are asked for.
type collector struct{ bridge *Bridge }

// Describe sends nothing: what there is depends on the configuration.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the status as metrics.
func (c collector) Collect(out chan<- prometheus.Metric) {
	now, st := time.Now(), c.bridge.Status()
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("isthmus_bridge_leader", "Whether this bridge writes: it is the leader, or none is elected.", nil, nil), gauge, truth(st.Lead.Leads))
	for _, o := range st.Origins {
		send := sender(out, "origin", string(o.Origin))
		send("isthmus_origin_synced", "Whether the registry reported everything since start.", gauge, truth(o.Synced))
		send("isthmus_origin_connected", "Whether the registry can be read.", gauge, truth(o.Connected))
		send("isthmus_origin_services", "Services that the registry holds, mirrors included.", gauge, float64(o.Services))
		send("isthmus_origin_refused_records", "Records of the registry that are left out.", gauge, float64(o.Refused))
		send("isthmus_origin_missed_changes_total", "Changes that the registry did not tell of, found by comparing.", prometheus.CounterValue, float64(o.Missed))
		if !o.News.IsZero() {
			send("isthmus_origin_news_age_seconds", "Time since the registry was last heard of.", gauge, now.Sub(o.News).Seconds())
		}
	}
	if !st.Lead.Leads {
		return // nobody works by the rules here
	}
	for _, r := range st.Rules {
		send := sender(out, "rule", r.Rule)
		send("isthmus_rule_blocked", "Whether nothing is written at all.", gauge, truth(r.Blocked != ""))
		send("isthmus_rule_same", "Mirrors that are as they should be.", gauge, float64(r.Same))
		send("isthmus_rule_pending", "Changes to be written.", gauge, float64(r.Pending))
		send("isthmus_rule_held", "Deletions that wait.", gauge, float64(len(r.Held)))
		send("isthmus_rule_budget_exceeded", "Whether the budget holds deletions.", gauge, truth(r.Budget != ""))
		send("isthmus_rule_taken", "Names that somebody else has.", gauge, float64(len(r.Taken)))
		send("isthmus_rule_refused", "Services that the target cannot hold.", gauge, float64(len(r.Refused)))
		send("isthmus_rule_reduced", "Services whose mirrors lack something of what they should be.", gauge, float64(len(r.Reduced)))
		send("isthmus_rule_failed", "Changes whose last write failed.", gauge, float64(len(r.Failed)))
		send("isthmus_rule_lag_seconds", "Age of the oldest change that is not written.", gauge, lag(r.Since, now))
		send("isthmus_rule_puts_total", "Mirrors written.", prometheus.CounterValue, float64(r.Puts))
		send("isthmus_rule_deletes_total", "Mirrors deleted.", prometheus.CounterValue, float64(r.Deletes))
	}
}

const gauge = prometheus.GaugeValue

func sender(out chan<- prometheus.Metric, label, value string) func(name, help string, kind prometheus.ValueType, n float64) {
	return func(name, help string, kind prometheus.ValueType, n float64) {
		out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, []string{label}, nil), kind, n, value)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func lag(since, now time.Time) float64 {
	if since.IsZero() {
		return 0
	}
	return now.Sub(since).Seconds()
}
