package differential

import (
	"strings"

	"github.com/miekg/dns"
)

func (d *dispute) isReverse() bool { return isReverseZone(d.zone) && len(d.labels) > 0 }

func (d *dispute) reverseOther() bool {
	return d.isReverse() && d.typ != dns.TypePTR && !d.denies(d.name, dns.TypePTR) &&
		d.stock.is(d.denial()) && d.ours.is(d.nodata())
}

// deadPointer: of the names that the stock plugin leads to, those are left that
// exist.
func (d *dispute) deadPointer() bool {
	if !d.isReverse() || d.isOddReverse() || d.typ != dns.TypePTR || len(d.stock.answer) == 0 || d.stock.flags != d.nodata().flags {
		return false
	}
	live := d.live()
	switch len(live) {
	case len(d.stock.answer):
		return false
	case 0:
		return d.ours.is(d.denial())
	}
	return d.ours.is(d.stock.with(live))
}

// live are those of the stock plugin's PTR records that lead to a name that
// exists.
func (d *dispute) live() []string {
	var live []string
	for _, r := range d.stock.answer {
		if ptr, is := parseRR(r).(*dns.PTR); is && !d.denies(ptr.Ptr, dns.TypeA) {
			live = append(live, r)
		}
	}
	return live
}

func (d *dispute) isSchemaInReverse() bool {
	if !d.isReverse() {
		return false
	}
	last := d.labels[len(d.labels)-1]
	return last == "svc" || last == "pod" || last == "dns-version" && len(d.labels) == 1
}

func (d *dispute) schemaInReverse() bool {
	version := d.labels != nil && d.labels[0] == "dns-version" && d.typ == dns.TypeTXT
	return d.isSchemaInReverse() && (version || !d.denies(d.name, dns.TypeA)) && d.ours.is(d.denial())
}

// isOddReverse: the stock plugin reads the 32 labels next to ip6.arpa and up to
// three more, and takes what they say of an IPv4 address for that.
func (d *dispute) isOddReverse() bool {
	n := len(d.labels)
	return n > 32 && n < 36 || n == 32 && strings.HasSuffix(d.name, ".f.f.f.f"+strings.Repeat(".0", 20)+"."+zone6)
}

func (d *dispute) belowReverse() bool {
	return d.zone == zone6 && d.isOddReverse() && d.typ == dns.TypePTR && len(d.stock.answer) > 0 && d.ours.is(d.denial())
}
