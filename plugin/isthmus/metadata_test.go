package isthmus

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

var _ metadata.Provider = (*Isthmus)(nil)

// told is the metadata of a name: key=value for each that is not empty.
func told(p *Isthmus, name string) string {
	r := new(dns.Msg)
	r.SetQuestion(name, dns.TypeA)
	ctx := p.Metadata(metadata.ContextWithMetadata(context.Background()), request.Request{W: &test.ResponseWriter{}, Req: r})
	var words []string
	all := metadata.ValueFuncs(ctx)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if value := all[key](); value != "" {
			words = append(words, strings.TrimPrefix(key, "kubernetes/")+"="+value)
		}
	}
	return strings.Join(words, " ")
}

func TestMetadata(t *testing.T) {
	conf := block(t, "kubernetes")
	p := handler(conf, catalog.New(conf.policy()))
	for name, want := range map[string]string{
		"cluster.local.":                               "",
		"svc.cluster.local.":                           "",
		"pod.cluster.local.":                           "",
		"shop.svc.cluster.local.":                      "kind=svc namespace=shop",
		"shop.pod.cluster.local.":                      "kind=pod namespace=shop",
		"Web.Shop.svc.Cluster.local.":                  "kind=svc namespace=shop service=web",
		"db-0.db.shop.svc.cluster.local.":              "endpoint=db-0 kind=svc namespace=shop service=db",
		"_sql._tcp.db.shop.svc.cluster.local.":         "kind=svc namespace=shop port-name=sql protocol=tcp service=db",
		"1-2-3-4.shop.pod.cluster.local.":              "kind=pod namespace=shop service=1-2-3-4",
		"dns.cluster.local.":                           "parse-error=invalid query name",
		"ns.dns.cluster.local.":                        "parse-error=invalid query name",
		"dns-version.cluster.local.":                   "parse-error=invalid query name",
		"x.cluster.local.":                             "parse-error=invalid query name",
		"x._sql._tcp.db.shop.svc.cluster.local.":       "parse-error=invalid query name",
		"1.0.0.10.in-addr.arpa.":                       "parse-error=invalid query name",
		"www.example.org.":                             "",
		"www.example.org.cluster.local.cluster.local.": "parse-error=invalid query name",
	} {
		if diff := cmp.Diff(want, told(p, name)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got, want := told(p, "a.b.pin._zone.db.shop.svc.cluster.local."), "parse-error=invalid query name"; got != want {
		t.Errorf("a zonal name is %q, want %q", got, want)
	}
	conf = block(t, "kubernetes\nzonal")
	with := handler(conf, catalog.New(conf.policy()))
	if got, want := told(with, "a.b.pin._zone.db.shop.svc.cluster.local."), "kind=svc namespace=shop service=db zone=a.b"; got != want {
		t.Errorf("a zonal name is %q, want %q", got, want)
	}
	all := p.Metadata(metadata.ContextWithMetadata(context.Background()), request.Request{W: &test.ResponseWriter{}, Req: new(dns.Msg).SetQuestion("cluster.local.", dns.TypeA)})
	want := []string{"kubernetes/endpoint", "kubernetes/kind", "kubernetes/namespace", "kubernetes/port-name", "kubernetes/protocol", "kubernetes/service"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(metadata.Labels(all)))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

// TestMetadataOff holds that it costs nothing where nobody collects it.
func TestMetadataOff(t *testing.T) {
	p, ctx := &Isthmus{conf: block(t, "kubernetes")}, context.Background()
	state := request.Request{W: &test.ResponseWriter{}, Req: new(dns.Msg).SetQuestion("web.shop.svc.cluster.local.", dns.TypeA)}
	state.Name() // it is kept
	if n := testing.AllocsPerRun(100, func() { p.Metadata(ctx, state) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
