package isthmus

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// said is an answer as dig would print it, without what is the same for all:
// rcode, then the records of the three sections, each sorted, class and the
// default TTL left out.
func said(m *dns.Msg) string {
	var b strings.Builder
	b.WriteString(dns.RcodeToString[m.Rcode] + "\n")
	for i, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		var lines []string
		for _, rr := range section {
			text := strings.Join(strings.Fields(rr.String()), " ")
			text = strings.Replace(text, " 5 IN ", " ", 1)
			text = strings.ReplaceAll(text, ".cluster.local.", ".Z")
			lines = append(lines, [...]string{"", "auth ", "add "}[i]+text+"\n")
		}
		if i > 0 || !chain(section) {
			slices.Sort(lines)
		}
		b.WriteString(strings.Join(lines, ""))
	}
	return b.String()
}

// chain reports whether the order of the records means something.
func chain(rrs []dns.RR) bool { return len(rrs) > 0 && rrs[0].Header().Rrtype == dns.TypeCNAME }

const (
	soa      = "auth cluster.local. SOA ns.dns.Z hostmaster.Z 1800000000 7200 1800 86400 5\n"
	nodata   = "NOERROR\n" + soa
	nxdomain = "NXDOMAIN\n" + soa
	servfail = "SERVFAIL\n"
	next_    = "next"
)

type ask_ struct{ name, types, want string }

// TestAnswers has every shape of name with every type. A type of "*" is all
// that no other row of the same name names.
func TestAnswers(t *testing.T) {
	conf := block(t, "pods insecure\nconsul")
	conf.registries = append(conf.registries, mustFake("kubernetes"))
	conf.locals = mustAddrs(t, "192.0.2.53")
	run(t, handler(conf, synced(t, conf)), []ask_{
		// The apex and what is always there.
		{"Z", "SOA", "NOERROR\ncluster.local. SOA ns.dns.Z hostmaster.Z 1800000000 7200 1800 86400 5\n"},
		{"Z", "NS", "NOERROR\ncluster.local. NS kube-dns.kube-system.svc.Z\nadd kube-dns.kube-system.svc.Z A 10.0.0.10\n"},
		{"Z", "*", nodata},
		{"svc.Z", "*", nodata},
		{"pod.Z", "*", nodata},
		{"dns.Z", "*", nodata},
		{"dns-version.Z", "TXT", "NOERROR\ndns-version.Z 28800 IN TXT \"1.1.0\"\n"},
		{"dns-version.Z", "*", nodata},
		{"ns.dns.Z", "A", "NOERROR\nns.dns.Z A 10.0.0.10\n"},
		{"ns.dns.Z", "*", nodata},
		{"x.Z", "*", nxdomain},
		{"x.dns.Z", "*", nxdomain},
		{"www.example.org.Z", "*", nxdomain},
		{"1.2.3.4.5.6.7.8.9.svc.Z", "*", nxdomain},

		// Namespaces.
		{"shop.svc.Z", "*", nodata},
		{"shop.pod.Z", "*", nodata},
		{"empty.svc.Z", "*", nodata},
		{"consul.svc.Z", "*", nodata},
		{"nothing.svc.Z", "*", nxdomain},
		{"nothing.pod.Z", "*", nxdomain},

		// ClusterIP.
		{"web.shop.svc.Z", "A", "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n"},
		{"web.shop.svc.Z", "SRV", "NOERROR\nweb.shop.svc.Z SRV 0 33 443 web.shop.svc.Z\nweb.shop.svc.Z SRV 0 33 53 web.shop.svc.Z\n" +
			"web.shop.svc.Z SRV 0 33 80 web.shop.svc.Z\nadd web.shop.svc.Z A 10.0.0.80\n"},
		{"web.shop.svc.Z", "*", nodata},
		{"_http._tcp.web.shop.svc.Z", "SRV", "NOERROR\n_http._tcp.web.shop.svc.Z SRV 0 100 80 web.shop.svc.Z\nadd web.shop.svc.Z A 10.0.0.80\n"},
		{"_http._tcp.web.shop.svc.Z", "A", "NOERROR\n_http._tcp.web.shop.svc.Z A 10.0.0.80\n"},
		{"_http._tcp.web.shop.svc.Z", "*", nodata},
		{"http.tcp.web.shop.svc.Z", "SRV", "NOERROR\nhttp.tcp.web.shop.svc.Z SRV 0 100 80 web.shop.svc.Z\nadd web.shop.svc.Z A 10.0.0.80\n"},
		{"_._udp.web.shop.svc.Z", "SRV", "NOERROR\n_._udp.web.shop.svc.Z SRV 0 100 53 web.shop.svc.Z\nadd web.shop.svc.Z A 10.0.0.80\n"},
		{"_http._udp.web.shop.svc.Z", "*", nxdomain},
		{"_smtp._tcp.web.shop.svc.Z", "*", nxdomain},
		{"_tcp.web.shop.svc.Z", "*", nodata},
		{"_udp.web.shop.svc.Z", "*", nodata},
		{"_sctp.web.shop.svc.Z", "*", nxdomain},
		{"10-1-0-1.web.shop.svc.Z", "A", "NOERROR\n10-1-0-1.web.shop.svc.Z A 10.1.0.1\n"},
		{"10-1-0-1.web.shop.svc.Z", "SRV", "NOERROR\n10-1-0-1.web.shop.svc.Z SRV 0 100 8080 10-1-0-1.web.shop.svc.Z\nadd 10-1-0-1.web.shop.svc.Z A 10.1.0.1\n"},
		{"10-1-0-1.web.shop.svc.Z", "*", nodata},
		{"10-1-0-2.web.shop.svc.Z", "*", nxdomain},
		{"x.web.shop.svc.Z", "*", nxdomain},
		{"x._http._tcp.web.shop.svc.Z", "*", nxdomain},
		{"x.shop.svc.Z", "*", nxdomain},
		{"idle.shop.svc.Z", "A", "NOERROR\nidle.shop.svc.Z A 10.0.0.82\n"},
		{"dual.shop.svc.Z", "A", "NOERROR\ndual.shop.svc.Z 30 IN A 10.0.0.81\n"},
		{"dual.shop.svc.Z", "AAAA", "NOERROR\ndual.shop.svc.Z 30 IN AAAA fd00::81\n"},
		{"dual.shop.svc.Z", "SRV", "NOERROR\ndual.shop.svc.Z 30 IN SRV 0 50 9000 dual.shop.svc.Z\nadd dual.shop.svc.Z 30 IN A 10.0.0.81\nadd dual.shop.svc.Z 30 IN AAAA fd00::81\n"},
		{"dual.shop.svc.Z", "*", nodata},

		// Headless.
		{"db.shop.svc.Z", "A", "NOERROR\ndb.shop.svc.Z A 10.1.0.11\ndb.shop.svc.Z A 10.1.0.12\n"},
		{"db.shop.svc.Z", "AAAA", "NOERROR\ndb.shop.svc.Z AAAA fd00::1:11\n"},
		{"db.shop.svc.Z", "SRV", "NOERROR\ndb.shop.svc.Z SRV 0 25 5432 10-1-0-12.db.shop.svc.Z\ndb.shop.svc.Z SRV 0 25 5432 db-0.db.shop.svc.Z\ndb.shop.svc.Z SRV 0 25 9100 10-1-0-12.db.shop.svc.Z\n" +
			"add 10-1-0-12.db.shop.svc.Z A 10.1.0.12\nadd db-0.db.shop.svc.Z A 10.1.0.11\nadd db-0.db.shop.svc.Z AAAA fd00::1:11\n"},
		{"db.shop.svc.Z", "*", nodata},
		{"_sql._tcp.db.shop.svc.Z", "SRV", "NOERROR\n_sql._tcp.db.shop.svc.Z SRV 0 33 5432 10-1-0-12.db.shop.svc.Z\n_sql._tcp.db.shop.svc.Z SRV 0 33 5432 db-0.db.shop.svc.Z\n" +
			"add 10-1-0-12.db.shop.svc.Z A 10.1.0.12\nadd db-0.db.shop.svc.Z A 10.1.0.11\nadd db-0.db.shop.svc.Z AAAA fd00::1:11\n"},
		{"_metrics._tcp.db.shop.svc.Z", "A", "NOERROR\n_metrics._tcp.db.shop.svc.Z A 10.1.0.12\n"},
		{"_metrics._tcp.db.shop.svc.Z", "AAAA", nodata},
		{"_tcp.db.shop.svc.Z", "*", nodata},
		{"db-0.db.shop.svc.Z", "A", "NOERROR\ndb-0.db.shop.svc.Z A 10.1.0.11\n"},
		{"db-0.db.shop.svc.Z", "AAAA", "NOERROR\ndb-0.db.shop.svc.Z AAAA fd00::1:11\n"},
		{"db-0.db.shop.svc.Z", "SRV", "NOERROR\ndb-0.db.shop.svc.Z SRV 0 50 5432 db-0.db.shop.svc.Z\nadd db-0.db.shop.svc.Z A 10.1.0.11\nadd db-0.db.shop.svc.Z AAAA fd00::1:11\n"},
		{"db-0.db.shop.svc.Z", "*", nodata},
		{"10-1-0-12.db.shop.svc.Z", "A", "NOERROR\n10-1-0-12.db.shop.svc.Z A 10.1.0.12\n"},
		{"10-1-0-11.db.shop.svc.Z", "*", nxdomain}, // it has a name of its own
		{"db-y.db.shop.svc.Z", "*", nxdomain},      // only with endpoint_pod_names
		{"db-9.db.shop.svc.Z", "*", nxdomain},      // not ready
		{"six.shop.svc.Z", "AAAA", "NOERROR\nsix.shop.svc.Z AAAA fd00::1:21\n"},
		{"six.shop.svc.Z", "A", nodata},
		{"fd00--1-21.six.shop.svc.Z", "AAAA", "NOERROR\nfd00--1-21.six.shop.svc.Z AAAA fd00::1:21\n"},
		{"fd00-0-0-0-0-0-1-21.six.shop.svc.Z", "*", nxdomain}, // one spelling an endpoint
		{"portless.shop.svc.Z", "A", "NOERROR\nportless.shop.svc.Z A 10.1.0.41\n"},
		{"portless.shop.svc.Z", "SRV", nodata},
		{"unready.shop.svc.Z", "*", nxdomain},
		{"_sql._tcp.unready.shop.svc.Z", "*", nxdomain},

		// ExternalName.
		{"inner.shop.svc.Z", "CNAME", "NOERROR\ninner.shop.svc.Z CNAME web.shop.svc.Z\n"},
		{"inner.shop.svc.Z", "A", "NOERROR\ninner.shop.svc.Z CNAME web.shop.svc.Z\nweb.shop.svc.Z A 10.0.0.80\n"},
		{"inner.shop.svc.Z", "AAAA", "NOERROR\ninner.shop.svc.Z CNAME web.shop.svc.Z\n" + soa},
		{"inner.shop.svc.Z", "MX", "NOERROR\ninner.shop.svc.Z CNAME web.shop.svc.Z\n" + soa},
		{"second.shop.svc.Z", "A", "NOERROR\nsecond.shop.svc.Z CNAME inner.shop.svc.Z\ninner.shop.svc.Z CNAME web.shop.svc.Z\nweb.shop.svc.Z A 10.0.0.80\n"},
		{"dangling.shop.svc.Z", "A", "NXDOMAIN\ndangling.shop.svc.Z CNAME nothing.shop.svc.Z\n" + soa},
		{"outer.shop.svc.Z", "A", "NOERROR\nouter.shop.svc.Z CNAME www.example.org.\nwww.example.org. 60 IN A 203.0.113.9\n"},
		{"outer.shop.svc.Z", "AAAA TXT HTTPS MX", "NOERROR\nouter.shop.svc.Z CNAME www.example.org.\n"},
		{"lost.shop.svc.Z", "A", "NOERROR\nlost.shop.svc.Z CNAME lost.example.org.\n"},
		{"ping.shop.svc.Z", "A", "NOERROR\nping.shop.svc.Z CNAME pong.shop.svc.Z\npong.shop.svc.Z CNAME ping.shop.svc.Z\n"},
		{"number.shop.svc.Z", "*", nxdomain},
		{"x.outer.shop.svc.Z", "*", nxdomain},
		{"_http._tcp.outer.shop.svc.Z", "*", nxdomain},

		// Pods.
		{"1-2-3-4.shop.pod.Z", "A", "NOERROR\n1-2-3-4.shop.pod.Z A 1.2.3.4\n"},
		{"1-2-3-4.shop.pod.Z", "*", nodata},
		{"fd00--9.shop.pod.Z", "AAAA", "NOERROR\nfd00--9.shop.pod.Z AAAA fd00::9\n"},
		{"1-2-3-4.nothing.pod.Z", "*", nxdomain},
		{"1-2-3.shop.pod.Z", "*", nxdomain},
		{"web.shop.pod.Z", "*", nxdomain},
		{"x.1-2-3-4.shop.pod.Z", "*", nxdomain},

		// Another registry.
		{"api.consul.svc.Z", "A", "NOERROR\napi.consul.svc.Z A 10.20.0.1\napi.consul.svc.Z A 10.20.0.2\n"},
		{"api.consul.svc.Z", "SRV", "NOERROR\napi.consul.svc.Z SRV 0 25 8000 10-20-0-1.api.consul.svc.Z\napi.consul.svc.Z SRV 0 75 8000 10-20-0-2.api.consul.svc.Z\n" +
			"add 10-20-0-1.api.consul.svc.Z A 10.20.0.1\nadd 10-20-0-2.api.consul.svc.Z A 10.20.0.2\n"},
		{"ranked.consul.svc.Z", "SRV", "NOERROR\nranked.consul.svc.Z SRV 1 50 8000 10-20-0-4.ranked.consul.svc.Z\nranked.consul.svc.Z SRV 1 50 8000 10-20-0-5.ranked.consul.svc.Z\n" +
			"ranked.consul.svc.Z SRV 2 100 8000 10-20-0-6.ranked.consul.svc.Z\nadd 10-20-0-4.ranked.consul.svc.Z A 10.20.0.4\n" +
			"add 10-20-0-5.ranked.consul.svc.Z A 10.20.0.5\nadd 10-20-0-6.ranked.consul.svc.Z A 10.20.0.6\n"},
		{"saas.consul.svc.Z", "A", "NOERROR\nsaas.consul.svc.Z CNAME saas.example.org.\nsaas.example.org. 60 IN A 203.0.113.9\n"},
		{"stolen.shop.svc.Z", "*", nxdomain}, // Kubernetes speaks for shop

		// Reverse.
		{"80.0.0.10.in-addr.arpa.", "PTR", "NOERROR\n80.0.0.10.in-addr.arpa. PTR web.shop.svc.Z\n"},
		{"80.0.0.10.in-addr.arpa.", "A", "NOERROR\n" + reverseSOA},
		{"1.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.", "PTR", "NOERROR\n1.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa. 30 IN PTR dual.shop.svc.Z\n"},
		{"1.0.1.10.in-addr.arpa.", "PTR", "NOERROR\n1.0.1.10.in-addr.arpa. PTR 10-1-0-1.web.shop.svc.Z\n"},
		{"11.0.1.10.in-addr.arpa.", "PTR", "NOERROR\n11.0.1.10.in-addr.arpa. PTR db-0.db.shop.svc.Z\n"},
		{"13.0.1.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA}, // not ready
		{"9.9.9.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"0.0.10.in-addr.arpa.", "A PTR NS", "NOERROR\n" + reverseSOA},
		{"10.in-addr.arpa.", "A PTR NS", "NOERROR\n" + reverseSOA},
		{"11.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"x.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"080.0.0.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"1.80.0.0.10.in-addr.arpa.", "PTR", "NXDOMAIN\n" + reverseSOA},
		{"in-addr.arpa.", "SOA", "NOERROR\n" + strings.TrimPrefix(reverseSOA, "auth ")},
		{"in-addr.arpa.", "PTR", "NOERROR\n" + reverseSOA},
		{"in-addr.arpa.", "NS", "NOERROR\nin-addr.arpa. NS kube-dns.kube-system.svc.Z\nadd kube-dns.kube-system.svc.Z A 10.0.0.10\n"},
		{"ns.dns.in-addr.arpa.", "A", "NOERROR\nns.dns.in-addr.arpa. A 10.0.0.10\n"},
		{"ns.dns.in-addr.arpa.", "*", "NOERROR\n" + reverseSOA},
		{"dns.in-addr.arpa.", "*", "NOERROR\n" + reverseSOA},

		// Not ours.
		{"www.example.org.", "A", next_},
		{".", "NS", next_},
		{"local.", "A", next_},
		{"xcluster.local.", "A", next_},
	})
}

const reverseSOA = "auth in-addr.arpa. SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. 1800000000 7200 1800 86400 5\n"

var allTypes = []string{"A", "AAAA", "SRV", "CNAME", "TXT", "MX", "NS", "SOA", "PTR", "HTTPS", "SVCB", "CAA", "ANY"}

// run asks every row; Z stands for the cluster's zone.
func run(t *testing.T, p *Isthmus, rows []ask_) {
	t.Helper()
	named := map[string][]string{}
	for _, row := range rows {
		named[row.name] = append(named[row.name], strings.Fields(row.types)...)
	}
	for _, row := range rows {
		types := strings.Fields(row.types)
		if row.types == "*" {
			types = slices.DeleteFunc(slices.Clone(allTypes), func(x string) bool { return slices.Contains(named[row.name], x) })
		}
		for _, typ := range types {
			t.Run(row.name+" "+typ, func(t *testing.T) {
				if diff := cmp.Diff(row.want, answerOf(t, p, row.name, typ)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
}

func answerOf(t *testing.T, p *Isthmus, name, typ string) string {
	t.Helper()
	if name == "Z" {
		name = "cluster.local."
	} else if short, is := strings.CutSuffix(name, ".Z"); is {
		name = short + ".cluster.local."
	}
	m, _ := ask(t, p, name, dns.StringToType[typ])
	if m == nil {
		return next_
	}
	if !m.Response || !m.Authoritative || m.RecursionAvailable || len(m.Question) != 1 || m.Question[0].Name != name {
		t.Errorf("header or question is wrong: %v", m.MsgHdr)
	}
	return said(m)
}
