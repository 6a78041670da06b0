package isthmus

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestProcess holds that an unreachable Consul delays and breaks nothing of
// Kubernetes, is said, and that stop leaves no goroutine: a bubble with one
// left would not end.
func TestProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		conf := block(t, "kubernetes\nconsul")
		p := newProcess(conf, slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the start waited %v for a registry that is not awaited", took)
		}
		h := &Isthmus{conf: conf, views: p.views, up: fakeUpstream{}}
		if m, _ := ask(t, h, "web.shop.svc.cluster.local.", dns.TypeA); len(m.Answer) != 1 {
			t.Errorf("got %v", m)
		}
		if m, _ := ask(t, h, "api.consul.svc.cluster.local.", dns.TypeA); m.Rcode != dns.RcodeServerFailure {
			t.Errorf("got %v", m)
		}
		if !h.Ready() {
			t.Error("not ready")
		}
		time.Sleep(time.Minute)
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "connection refused"); n != 1 {
			t.Errorf("an unreachable registry was said %d times, want once:\n%s", n, &log)
		}
	})
}

// TestStartupTimeout holds that the server starts after it, unready.
func TestStartupTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		conf := block(t, "consul\nstartup_timeout 7s")
		p := newProcess(conf, slog.New(slog.NewTextHandler(&log, nil)))
		began := time.Now()
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("the start waited %v, want 7s", took)
		}
		if h := (&Isthmus{conf: conf, views: p.views}); h.Ready() {
			t.Error("ready without a sync")
		}
		if err := p.stop(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log.String(), "missing=consul/dc1") {
			t.Errorf("what is missing is not said:\n%s", &log)
		}
	})
}

func TestStartOpensAllOrNone(t *testing.T) {
	conf := block(t, "kubernetes\nconsul {\nunreadable\n}")
	p := newProcess(conf, slog.New(slog.DiscardHandler))
	err := p.start()
	if want := `open "consul/dc1": read file: no such file`; err == nil || err.Error() != want {
		t.Errorf("start() = %v, want %s", err, want)
	}
	for _, w := range p.watches {
		if w.users > 0 {
			t.Errorf("%q was left open", w.feed.Origin())
		}
	}
}

// TestReady has the origins that readiness waits for.
func TestReady(t *testing.T) {
	for _, tt := range []struct {
		options, synced string
		want            bool
	}{
		{"kubernetes\nmanifests\nconsul", "", false},
		{"kubernetes\nmanifests\nconsul", "kubernetes/cluster", false},
		{"kubernetes\nmanifests\nconsul", "kubernetes/cluster manifests/files", true},
		{"kubernetes\nconsul\nrequire consul/dc1", "kubernetes/cluster", false},
		{"kubernetes\nconsul\nrequire consul/dc1", "kubernetes/cluster consul/dc1", true},
		{"consul\netcd", "etcd/edge", false},
		{"consul\netcd", "consul/dc1", true},
	} {
		conf := block(t, tt.options)
		c := catalog.New(conf.policy())
		for _, o := range strings.Fields(tt.synced) {
			c.Feed(catalog.Origin(o)).Replace(nil)
		}
		if got := handler(conf, c).Ready(); got != tt.want {
			t.Errorf("%q with %q synced: Ready() = %v", tt.options, tt.synced, got)
		}
	}
}

func metricsOf(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			all[f.GetName()+labelText(m.GetLabel())] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func labelText(labels []*dto.LabelPair) string {
	var words []string
	for _, l := range labels {
		words = append(words, l.GetName()+"="+l.GetValue())
	}
	return "{" + strings.Join(words, " ") + "}"
}

func TestMetrics(t *testing.T) {
	conf := block(t, "kubernetes\nconsul")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.Replace(services(t, world))
	feed.Refuse("shop/bad", os.ErrInvalid)
	feed.Missed(3)
	server := &dnsserver.Config{Transport: "dns", Port: "53", ListenHosts: []string{""}}
	old := source{zone: "cluster.local.", server: server, views: handler(conf, c).views}

	reg := prometheus.NewRegistry()
	to, err := register(reg)
	if err != nil {
		t.Fatal(err)
	}
	to.add(old)
	got := metricsOf(t, reg)
	delete(got, "coredns_isthmus_origin_news_age_seconds{origin=kubernetes/cluster server=dns://:53 view= zone=cluster.local.}")
	const k, o = "{origin=kubernetes/cluster server=dns://:53 view= zone=cluster.local.}", "{origin=consul/dc1 server=dns://:53 view= zone=cluster.local.}"
	want := map[string]float64{
		"coredns_isthmus_services" + k: 16, "coredns_isthmus_services" + o: 0,
		"coredns_isthmus_endpoints" + k: 10, "coredns_isthmus_endpoints" + o: 0,
		"coredns_isthmus_refused_records" + k: 1, "coredns_isthmus_refused_records" + o: 0,
		"coredns_isthmus_origin_synced" + k: 1, "coredns_isthmus_origin_synced" + o: 0,
		"coredns_isthmus_origin_stale" + k: 0, "coredns_isthmus_origin_stale" + o: 0,
		"coredns_isthmus_origin_connected" + k: 1, "coredns_isthmus_origin_connected" + o: 0,
		"coredns_isthmus_missed_changes_total" + k: 3, "coredns_isthmus_missed_changes_total" + o: 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}

	// A reload: the new block comes before the old one goes.
	conf2 := block(t, "kubernetes")
	again, err := register(reg)
	if err != nil || again != to {
		t.Fatalf("register a second time = %p, %v, want %p", again, err, to)
	}
	again.add(source{zone: "cluster.local.", server: server, views: handler(conf2, catalog.New(conf2.policy())).views})
	to.remove(old)
	if got := metricsOf(t, reg); got["coredns_isthmus_origin_synced"+k] != 0 || len(got) != 7 {
		t.Errorf("after a reload: %v", got)
	}
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	clog.SetOutput(&out)
	defer clog.SetOutput(os.Stdout)
	log := slog.New(newLogHandler(clog.NewWithPlugin(name))).With("origin", "consul/dc1")
	log.Info("synced", "services", 3)
	log.Warn("not readable", "error", context.DeadlineExceeded, "empty", "")
	log.WithGroup("http").Error("refused", slog.Group("request", "path", "/v1"), "code", 403)
	log.Info("left out", "record", "a\x1b[2Jb", "name", "bücher", "odd", "db\u200b")
	log.Debug("never")
	// CoreDNS leaves the time to its own main, so here it is log's.
	got := regexp.MustCompile(`(?m)^[0-9/]+ [0-9:]+ `).ReplaceAllString(out.String(), "")
	want := `[INFO] plugin/isthmus: synced origin=consul/dc1 services=3
[WARNING] plugin/isthmus: not readable origin=consul/dc1 error="context deadline exceeded" empty=""
[ERROR] plugin/isthmus: refused origin=consul/dc1 http.request.path=/v1 http.code=403
[INFO] plugin/isthmus: left out origin=consul/dc1 record="a\x1b[2Jb" name=bücher odd="db\u200b"
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
