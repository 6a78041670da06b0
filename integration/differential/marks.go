package differential

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// Markers are the last writes of each round, one of each kind in each namespace
// that may be watched by itself. The API server keeps the order of one kind,
// so who shows a marker has seen all that was written of its kind before.

// markedSpaces have markers; they are those of the variant namespaces and one
// more.
func markedSpaces() []string { return []string{"alpha", "beta", "marks"} }

// markers are those of round n. What they replace of the round before goes.
func markers(n int, old *state) []change {
	all := []change{{object: namespace(fmt.Sprintf("mark-%d", n), true)}}
	if last := old.namespaces[fmt.Sprintf("mark-%d", n-1)]; last != nil {
		all = append(all, change{last, true})
	}
	for _, ns := range markedSpaces() {
		all = append(all,
			change{object: alias(ns, "mark", fmt.Sprintf("m%d.example", n))},
			change{object: slice(ns, "mark-ep-a", "mark-ep", []string{"http:80/TCP"}, at("10.245.0.1", fmt.Sprintf("host=m%d", n)))},
			change{object: imported(ns, "mark", []string{markedIP(n)}, "http:80/TCP")},
			change{object: importSlice(ns, "mark-ep-c1", "mark-ep", "c1", []string{"http:80/TCP"}, at("10.1.0.1", fmt.Sprintf("host=m%d", n)))})
	}
	all = append(all, change{object: markedOuter(n)})
	return append(all, change{object: pod("marks", "mark", markedIP(n))})
}

func markedIP(n int) string { return fmt.Sprintf("10.246.%d.%d", n/250, n%250+1) }

// markedOuter is what external zones show of round n: marks are of one kind.
func markedOuter(n int) object {
	svc := headless("marks", "mark-outer", "http:80/TCP")
	svc.Spec.ExternalIPs = []string{markedIP(n)}
	return svc
}

// markedServices are what the markers of slices stand below.
func markedServices() []object {
	var all []object
	for _, ns := range markedSpaces() {
		all = append(all, headless(ns, "mark-ep", "http:80/TCP"), imported(ns, "mark-ep", nil, "http:80/TCP"),
			importSlice(ns, "mark-c1", "mark", "c1", []string{"http:80/TCP"}, at("10.1.0.2")))
	}
	return all
}

// marked reports whether a side that says this shows the markers of round n.
func (v *variant) marked(n int, says oracle) bool {
	spaces := []string{"marks"}
	if len(v.namespaces) > 0 {
		spaces = []string{"alpha", "beta"}
	}
	for _, ns := range spaces {
		cname := strings.Join(says("mark."+ns+".svc."+mainZone, dns.TypeCNAME).answer, "\n")
		if !strings.HasSuffix(cname, fmt.Sprintf(" m%d.example.", n)) {
			return false
		}
		if !v.noEndpoints && len(says(fmt.Sprintf("m%d.mark-ep.%s.svc.%s", n, ns, mainZone), dns.TypeA).answer) == 0 {
			return false
		}
	}
	if len(v.namespaces) == 0 && says(fmt.Sprintf("mark-%d.svc.%s", n, mainZone), dns.TypeA).rcode != dns.RcodeSuccess {
		return false
	}
	if v.family == ofOutside {
		at := says("mark-outer.marks."+outerZone, dns.TypeA).answer
		if len(at) != 1 || !strings.HasSuffix(at[0], " "+markedIP(n)) {
			return false
		}
	}
	if v.family == ofClusters && !isImportMarked(n, says) {
		return false
	}
	return !v.verified || len(says(dashed(markedIP(n))+".marks.pod."+mainZone, dns.TypeA).answer) > 0
}

// isImportMarked is marked for what other clusters export.
func isImportMarked(n int, says oracle) bool {
	at := says("mark.marks.svc."+setZone, dns.TypeA).answer
	return len(at) == 1 && strings.HasSuffix(at[0], " "+markedIP(n)) &&
		len(says(fmt.Sprintf("m%d.c1.mark-ep.marks.svc.%s", n, setZone), dns.TypeA).answer) > 0 &&
		says(fmt.Sprintf("mark-%d.svc.%s", n, setZone), dns.TypeA).rcode == dns.RcodeSuccess
}
