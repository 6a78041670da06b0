package isthmus

import (
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

const terminatingWorld = `
service shop/all Headless
	endpoint 10.1.0.1 id=a serving terminating hostname=a zone=z
		port sql TCP 5432
	endpoint 10.1.0.2 id=b terminating hostname=b
		port sql TCP 5432
	endpoint 10.1.0.3 id=c serving hostname=c
		port sql TCP 5432
service shop/some Headless
	endpoint 10.1.1.1 id=a serving terminating hostname=a
		port sql TCP 5432
	endpoint 10.1.1.2 id=b ready serving hostname=b
		port sql TCP 5432
service shop/none Headless
	endpoint 10.1.2.1 id=a terminating hostname=a
		port sql TCP 5432
service shop/virtual ClusterIP
	addr 10.0.0.90
	port sql TCP 5432
	endpoint 10.1.3.1 id=a serving terminating
		port sql TCP 5432
service kube-system/dns Headless
	endpoint 192.0.2.53 id=a serving terminating hostname=dns
		port dns UDP 53
`

// TestTerminating holds that what terminates and still serves is answered
// where nothing is ready, and nowhere else, under every name there is.
func TestTerminating(t *testing.T) {
	conf := block(t, "kubernetes\nzonal\nignore empty_service")
	conf.locals = mustAddrs(t, "192.0.2.53")
	c := catalog.New(conf.policy())
	feed := c.Feed("kubernetes/cluster")
	feed.ReplaceNamespaces([]string{"shop", "kube-system"})
	feed.Replace(services(t, terminatingWorld))
	run(t, handler(conf, c), []ask_{
		{"all.shop.svc.Z", "A", "NOERROR\nall.shop.svc.Z A 10.1.0.1\n"},
		{"_sql._tcp.all.shop.svc.Z", "SRV", "NOERROR\n_sql._tcp.all.shop.svc.Z SRV 0 100 5432 a.all.shop.svc.Z\nadd a.all.shop.svc.Z A 10.1.0.1\n"},
		{"a.all.shop.svc.Z", "A", "NOERROR\na.all.shop.svc.Z A 10.1.0.1\n"},
		{"b.all.shop.svc.Z", "A", nxdomain},
		{"c.all.shop.svc.Z", "A", nxdomain},
		{"z.pin._zone.all.shop.svc.Z", "A", "NOERROR\nz.pin._zone.all.shop.svc.Z A 10.1.0.1\n"},
		{"1.0.1.10.in-addr.arpa.", "PTR", "NOERROR\n1.0.1.10.in-addr.arpa. PTR a.all.shop.svc.Z\n"},
		{"some.shop.svc.Z", "A", "NOERROR\nsome.shop.svc.Z A 10.1.1.2\n"},
		{"a.some.shop.svc.Z", "A", nxdomain},
		{"1.1.1.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"none.shop.svc.Z", "A", nxdomain},
		{"virtual.shop.svc.Z", "A", "NOERROR\nvirtual.shop.svc.Z A 10.0.0.90\n"},
		{"10-1-3-1.virtual.shop.svc.Z", "A", "NOERROR\n10-1-3-1.virtual.shop.svc.Z A 10.1.3.1\n"},
		{"Z", "NS", "NOERROR\ncluster.local. NS dns.dns.kube-system.svc.Z\nadd dns.dns.kube-system.svc.Z A 192.0.2.53\n"},
	})
}

// TestTerminatingIsNotReady holds that another origin's ready endpoint goes
// before one that terminates.
func TestTerminatingIsNotReady(t *testing.T) {
	for how, want := range map[string]string{
		"failover": "NOERROR\nall.consul.svc.Z A 10.9.0.1\n",
		"union":    "NOERROR\nall.consul.svc.Z A 10.9.0.1\n",
		"first":    "NOERROR\nall.consul.svc.Z A 10.1.0.1\n",
	} {
		conf := block(t, "consul\netcd {\nnamespace consul\n}\nmerge "+how)
		c := catalog.New(conf.policy())
		c.Feed("consul/dc1").Replace(services(t, "service consul/all Headless\n\tendpoint 10.1.0.1 id=a serving terminating\n"))
		c.Feed("etcd/edge").Replace(services(t, "service consul/all Headless\n\tendpoint 10.9.0.1 id=a ready\n"))
		run(t, handler(conf, c), []ask_{{"all.consul.svc.Z", "A", want}})
	}
}
