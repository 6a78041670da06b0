package differential

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// Nameservers. The stock plugin takes the names of the services that have an
// address of its host among their endpoints, else ns.dns.ZONE, with all of the
// host's addresses but those of loopback.

func (d *dispute) isNameserver() bool {
	return len(d.labels) == 0 && d.typ == dns.TypeNS ||
		slices.Equal(d.labels, []string{"ns", "dns"}) && (d.typ == dns.TypeA || d.typ == dns.TypeAAAA)
}

// nameserver is what the stock plugin says to the question in lower case.
func (d *dispute) nameserver() answer { return d.stockSays(d.name, d.typ) }

func (d *dispute) boundServer() bool {
	ns := d.name + " " + d.ttl() + " in ns ns.dns." + d.name
	return d.isNameserver() && (d.v.bind != "" || !hasAddr()) && d.nameserver().is(d.nodata()) &&
		d.ours.is(answer{flags: d.nodata().flags, answer: []string{ns}})
}

// ttl is that of the variant's records, which its SOA records tell, too.
func (d *dispute) ttl() string {
	data := strings.Fields(d.nodata().ns[0])
	return data[len(data)-1]
}

func (d *dispute) linkLocal() bool {
	if !d.isNameserver() {
		return false
	}
	told := func(all []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(r string) bool {
			aaaa, is := parseRR(r).(*dns.AAAA)
			return is && aaaa.AAAA.IsLinkLocalUnicast()
		})
	}
	want := d.nameserver()
	want.answer, want.extra = told(want.answer), told(want.extra)
	if len(want.answer) == 0 {
		want = d.nodata()
	}
	return !want.is(d.nameserver()) && d.ours.is(want)
}

func (d *dispute) reverseServer() bool {
	if !d.isNameserver() || !isReverseZone(d.zone) || len(d.labels) > 0 {
		return false
	}
	moved := func(all []string) []string {
		var out []string
		for _, r := range all {
			out = append(out, strings.ReplaceAll(r, ".svc."+d.zone, ".svc."+mainZone))
		}
		slices.Sort(out)
		return out
	}
	want := d.nameserver()
	want.answer, want.extra = moved(want.answer), moved(want.extra)
	return !want.is(d.nameserver()) && d.ours.is(want)
}

// hiddenServer: the service that would be named is not served, so the zone's
// own name is, with the addresses of the host.
func (d *dispute) hiddenServer() bool {
	return d.isNameserver() && !d.isImported() && d.denies("kube-dns.kube-system.svc."+mainZone, dns.TypeA) && d.ownServer()
}

// ownServer reports whether ours is the zone's own name, with the addresses of
// the host, and that of the stock plugin is a service's.
func (d *dispute) ownServer() bool {
	stock := d.nameserver()
	told := strings.Contains(strings.Join(stock.answer, "\n"), "kube-dns.kube-system") || len(d.labels) > 0 && len(stock.answer) > 0
	own := "ns.dns." + d.zone
	for _, r := range slices.Concat(d.ours.answer, d.ours.extra) {
		switch rr := parseRR(r).(type) {
		case *dns.NS:
			told = told && rr.Ns == own
		case *dns.A:
			told = told && rr.Hdr.Name == own && isOurAddr(rr.A.String())
		case *dns.AAAA:
			told = told && rr.Hdr.Name == own && isOurAddr(rr.AAAA.String())
		default:
			return false
		}
	}
	return told && d.ours.rcode == dns.RcodeSuccess && (len(d.ours.answer) > 0 || d.ours.is(d.nodata()))
}

func isOurAddr(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && slices.Contains(hostAddrs(), a)
}

func (d *dispute) searchedServer() bool {
	return len(d.labels) > 2 && strings.HasPrefix(d.name, "ns.dns."+d.zone) && d.ours.is(d.denial())
}

// hostAddrs are the addresses of this host that others may reach it at.
func hostAddrs() []netip.Addr {
	return slices.DeleteFunc(allAddrs(), func(a netip.Addr) bool { return !a.IsGlobalUnicast() })
}

func hasAddr() bool { return len(hostAddrs()) > 0 }

func hasLinkLocal() bool { return slices.ContainsFunc(allAddrs(), netip.Addr.IsLinkLocalUnicast) }

func allAddrs() []netip.Addr {
	ifaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var all []netip.Addr
	for _, i := range ifaces {
		if p, err := netip.ParsePrefix(i.String()); err == nil {
			all = append(all, p.Addr())
		}
	}
	return all
}
