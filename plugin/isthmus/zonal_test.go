package isthmus

import (
	"testing"

	"github.com/coredns/coredns/plugin/pkg/fall"

	"github.com/isthmus-dns/isthmus/catalog"
)

const zonalWorld = `
service shop/db Headless
	endpoint 10.1.0.1 id=a ready zone=EU-1a hostname=db-0
		port sql TCP 5432
	endpoint 10.1.0.2 id=b ready zone=eu-1b
		port sql TCP 5432
	endpoint fd00::2 id=c ready zone=eu-1b
		port sql TCP 5432
	endpoint 10.1.0.3 id=d zone=eu-1c
		port sql TCP 5432
	endpoint 10.1.0.4 id=e ready zone=rack.7
		port sql TCP 5432
service shop/down Headless
	endpoint 10.1.0.9 id=a zone=eu-1a
service shop/web ClusterIP
	addr 10.0.0.80
	endpoint 10.1.0.1 id=a ready zone=eu-1a
service shop/outer ExternalName
	alias www.example.org
`

func TestZonal(t *testing.T) {
	conf := block(t, "kubernetes\nzonal")
	c := catalog.New(conf.policy())
	const everything = "NOERROR\neu-1c.prefer._zone.db.shop.svc.Z A 10.1.0.1\neu-1c.prefer._zone.db.shop.svc.Z A 10.1.0.2\neu-1c.prefer._zone.db.shop.svc.Z A 10.1.0.4\n"
	run(t, handler(conf, c), []ask_{{"eu-1a.pin._zone.db.shop.svc.Z", "*", servfail}})
	c.Feed("kubernetes/cluster").Replace(services(t, zonalWorld))
	rows := []ask_{
		{"eu-1a.pin._zone.db.shop.svc.Z", "A", "NOERROR\neu-1a.pin._zone.db.shop.svc.Z A 10.1.0.1\n"},
		{"eu-1a.pin._zone.db.shop.svc.Z", "SRV", "NOERROR\neu-1a.pin._zone.db.shop.svc.Z SRV 0 100 5432 db-0.db.shop.svc.Z\nadd db-0.db.shop.svc.Z A 10.1.0.1\n"},
		{"eu-1a.pin._zone.db.shop.svc.Z", "*", nodata},
		{"eu-1b.pin._zone.db.shop.svc.Z", "AAAA", "NOERROR\neu-1b.pin._zone.db.shop.svc.Z AAAA fd00::2\n"},
		{"eu-1b.prefer._zone.db.shop.svc.Z", "A", "NOERROR\neu-1b.prefer._zone.db.shop.svc.Z A 10.1.0.2\n"},
		{"rack.7.pin._zone.db.shop.svc.Z", "A", "NOERROR\nrack.7.pin._zone.db.shop.svc.Z A 10.1.0.4\n"},
		{"eu-1c.pin._zone.db.shop.svc.Z", "*", nodata},
		{"typo.pin._zone.db.shop.svc.Z", "*", nodata},
		{"eu-1c.prefer._zone.db.shop.svc.Z", "A", everything},
		{"eu-1c.prefer._zone.db.shop.svc.Z", "AAAA", "NOERROR\neu-1c.prefer._zone.db.shop.svc.Z AAAA fd00::2\n"},
		{"eu-1c.prefer._zone.db.shop.svc.Z", "TXT", nodata},
		{"eu-1a.prefer._zone.db.shop.svc.Z", "AAAA", nodata},
		{"_zone.db.shop.svc.Z", "*", nodata},
		{"pin._zone.db.shop.svc.Z", "*", nodata},
		{"prefer._zone.db.shop.svc.Z", "*", nodata},
		{"other._zone.db.shop.svc.Z", "*", nxdomain},
		{"eu-1a.other._zone.db.shop.svc.Z", "*", nxdomain},
		{"eu-1a.pin._zone.down.shop.svc.Z", "*", nxdomain},
		{"eu-1a.pin._zone.web.shop.svc.Z", "*", nxdomain},
		{"_zone.web.shop.svc.Z", "*", nxdomain},
		{"eu-1a.pin._zone.outer.shop.svc.Z", "*", nxdomain},
		{"eu-1a.pin._zone.nothing.shop.svc.Z", "*", nxdomain},
	}
	run(t, handler(conf, c), rows)

	// Without the option none of these names exists.
	off := block(t, "kubernetes")
	off.fall = fall.Root
	for i := range rows {
		rows[i].types, rows[i].want = "A SRV TXT", next_
	}
	run(t, handler(off, c), rows)
}
