package isthmus

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestReverse holds that the names of every address are those that the services
// themselves give to it.
func TestReverse(t *testing.T) {
	for _, options := range []string{"kubernetes\nconsul", "kubernetes\nconsul\nmerge union", "kubernetes\nendpoint_pod_names", "kubernetes\nnoendpoints", "kubernetes\nttl 77"} {
		t.Run(options, func(t *testing.T) {
			conf := block(t, options)
			c := synced(t, conf)
			c.Feed("kubernetes/cluster").Update(services(t, many("some", 12)+crowd("agent", 3)+`
service shop/leaving Headless
	endpoint 10.3.0.1 id=a serving terminating hostname=Last
	endpoint 10.3.0.1 id=b serving terminating
	endpoint 10.3.0.2 id=c serving
service shop/moving Headless ttl=9s
	endpoint 10.3.0.1 id=a ready
	endpoint 10.3.0.1 id=b serving terminating hostname=gone
	endpoint 10.3.0.1 id=c ready hostname=twin pod=pod-c
	endpoint 10.3.0.1 id=d ready hostname=twin
service shop/where ClusterIP
	addr 10.3.0.2
	addr fd00::3
	endpoint 10.3.0.3 id=a ready cluster=east
`), nil)
			v := handler(conf, c).views.newest.Load()
			n := 0
			for a := range v.places.all() {
				n++
				name, err := dns.ReverseAddr(a.String())
				if err != nil {
					t.Fatal(err)
				}
				q, _ := conf.zones.parse(name)
				got, want := v.answer(&q, name, dns.TypePTR), namesOf(v, name)
				if diff := cmp.Diff(want, sortedText(got.answer)); diff != "" || len(want) == 0 {
					t.Errorf("%s (-want +got):\n%s", a, diff)
				}
			}
			if n < 5 {
				t.Errorf("%d addresses", n)
			}
		})
	}
}

// namesOf looks for an address in all services, whole.
func namesOf(v *view, name string) []string {
	var services, endpoints []string
	keys := sortedKeys(v.entries.All(), catalog.Key.Compare)
	for _, k := range keys {
		e, _ := v.entries.Get(k)
		b := v.builderOf(v.read(e), v.conf.zones.primary())
		for _, a := range b.svc.Addrs {
			if at, err := dns.ReverseAddr(a.String()); err == nil && at == name && b.svc.Type == catalog.ClusterIP {
				services = append(services, (&dns.PTR{Hdr: b.header(name, dns.TypePTR), Ptr: b.name}).String())
			}
		}
		for _, ep := range b.ready {
			if at, err := dns.ReverseAddr(ep.Host.Addr.String()); err == nil && at == name {
				endpoints = append(endpoints, (&dns.PTR{Hdr: b.header(name, dns.TypePTR), Ptr: b.hostOf(ep) + "." + b.name}).String())
			}
		}
	}
	if len(services) > 0 {
		return services
	}
	slices.Sort(endpoints)
	return slices.Compact(endpoints)
}

// sortedText is what records say, sorted.
func sortedText(rrs []dns.RR) []string {
	var all []string
	for _, rr := range rrs {
		all = append(all, rr.String())
	}
	slices.Sort(all)
	return all
}
