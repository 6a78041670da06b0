package differential

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// podLabels returns the labels of a pod's name, and those in front of it.
func (d *dispute) podLabels() (front []string, pod, space string) {
	n := len(d.labels)
	if n < 3 || d.labels[n-1] != "pod" || isReverseZone(d.zone) || d.isImported() || d.isOuter() {
		return nil, "", ""
	}
	return d.labels[:n-3], d.labels[n-3], d.labels[n-2]
}

func (d *dispute) belowPod() bool {
	front, pod, space := d.podLabels()
	if pod == "" || len(front) == 0 || len(front) > 2 {
		return false
	}
	whole := pod + "." + space + ".pod." + d.zone
	return !d.denies(whole, dns.TypeA) && !d.stock.is(d.denial()) && d.ours.is(d.denial())
}

func (d *dispute) podPort() bool {
	front, pod, _ := d.podLabels()
	if pod == "" || len(front) > 0 || d.typ != dns.TypeSRV || len(d.stock.answer) != 1 || !d.ours.is(d.nodata()) {
		return false
	}
	srv, is := parseRR(d.stock.answer[0]).(*dns.SRV)
	return is && srv.Port == 0
}

func (d *dispute) podSpelling() bool {
	front, pod, space := d.podLabels()
	addr, err := netip.ParseAddr(strings.ReplaceAll(pod, "-", ":"))
	if err != nil || len(front) > 0 || !d.v.verified || !d.stock.is(d.denial()) {
		return false
	}
	as := dashed(addr.String())
	canonical := as + "." + space + ".pod." + d.zone
	if as == pod || d.denies(canonical, dns.TypeA) {
		return false
	}
	if d.typ != dns.TypeAAAA {
		return d.ours.is(d.nodata())
	}
	want := d.stockSays(canonical, d.typ)
	return d.ours.is(want.with([]string{strings.Replace(want.answer[0], canonical, d.name, 1)}))
}

// takenSpace: a namespace that is configured and not there is empty, and any
// address in it is a pod's, as in one that is there.
func (d *dispute) takenSpace() bool {
	n := len(d.labels)
	if n < 2 || d.labels[n-2] != nowhere || !slices.Contains(d.v.namespaces, nowhere) || !d.stock.is(d.denial()) {
		return false
	}
	there := strings.Join(d.labels[:n-2], ".") + ".alpha.pod." + d.zone
	switch {
	case n == 2:
		return d.ours.is(d.nodata())
	case n > 3 || d.labels[2] != "pod" || d.denies(there, dns.TypeA):
		return false
	case d.typ == dns.TypeSRV:
		return d.ours.is(d.nodata())
	}
	want := d.stockSays(there, d.typ)
	var here []string
	for _, r := range want.answer {
		here = append(here, strings.Replace(r, there, d.name, 1))
	}
	return d.ours.is(want.with(here))
}
