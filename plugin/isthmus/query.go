package isthmus

import (
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// kind is the shape of a name. Z is the zone.
type kind int

const (
	kindNone      kind = iota // in the zone, but no shape of the schema: never exists
	kindApex                  // Z
	kindBranch                // svc.Z, pod.Z, dns.Z: always there, never holds anything
	kindVersion               // dns-version.Z
	kindNS                    // ns.dns.Z
	kindNamespace             // NS.svc.Z
	kindPods                  // NS.pod.Z
	kindService               // S.NS.svc.Z
	kindEndpoint              // H.S.NS.svc.Z, or _PROTO.S.NS.svc.Z, the parent of port names
	kindPort                  // _PORT._PROTO.S.NS.svc.Z
	kindZonal                 // W.pin._zone.S.NS.svc.Z, and its parents up to _zone
	kindPod                   // 1-2-3-4.NS.pod.Z
	kindReverse               // a whole address below in-addr.arpa or ip6.arpa
	kindNet                   // the beginning of one
	kindOwn                   // a registry's own name, in a domain
)

// query is a name as the schema reads it. All its strings are part of the name.
type query struct {
	kind   kind
	zone   int         // index of the zone
	key    catalog.Key // namespace, and the service if there is one
	host   string      // the label left of the service, or the pod's; in a multicluster zone HOST.CLUSTER
	port   string      // without its underscore; "" stands for any
	proto  string      // likewise
	where  string      // a zone of the cluster; "" in the parents of such names
	prefer bool        // where nothing stands there, all others do
	near   string      // the client's zone of the cluster; "" if it does not matter or is not known
	net    netip.Prefix
}

// zone is one zone that is served.
type zone struct {
	name         string // lower case, fully qualified
	reverse      bool
	multicluster bool           // holds services of several clusters
	external     bool           // services are found here by their addresses outside of the cluster
	apex         string         // label of its servers, if it is an external zone only
	domain       catalog.Origin // whose own names are found here; "" in all other zones
}

// ofCluster reports whether the zone has names of the cluster.
func (z zone) ofCluster() bool { return z.apex == "" && z.domain == "" }

// zones are all that are served.
type zones []zone

func newZones(names []string) zones {
	zs := make(zones, len(names))
	for i, n := range names {
		zs[i] = zone{name: n, reverse: isReverse(n)}
	}
	return zs
}

// below returns name made absolute below the zone.
func (z zone) below(name string) string {
	if z.name == "." {
		return name + "."
	}
	return name + "." + z.name
}

// names are the names of all.
func (zs zones) names() []string {
	all := make([]string, len(zs))
	for i, z := range zs {
		all[i] = z.name
	}
	return all
}

// primary is the zone that names in PTR records end in; -1: there is none.
func (zs zones) primary() int {
	for i, z := range zs {
		if !z.reverse && z.ofCluster() && !z.multicluster {
			return i
		}
	}
	return -1
}

// find returns the zone with that name, or -1.
func (zs zones) find(name string) int {
	for i := range zs {
		if zs[i].name == name {
			return i
		}
	}
	return -1
}

// maxLabels is how many labels left of the zone a name of the schema has.
const maxLabels = 5

// parse reads a fully qualified name in lower case. It returns false if the
// name is in none of the zones; of nested ones the longest counts. It does not
// allocate.
func (zs zones) parse(name string) (query, bool) {
	var q query
	ours := zs.read(name, &q)
	return q, ours
}

// read is parse into a query that is blank: what is handed on by value needs
// stack at each step of an answer, and a question's stack begins small.
func (zs zones) read(name string, q *query) bool {
	var labels [maxLabels]string
	n := 0
	for off := 0; name != "."; {
		if z := zs.find(name[off:]); z >= 0 {
			zs.schema(q, name, z, labels[:min(n, maxLabels)], n)
			return true
		}
		next, end := dns.NextLabel(name, off)
		if n < maxLabels {
			labels[n] = strings.TrimSuffix(name[off:next], ".")
		}
		n++
		if end {
			break
		}
		off = next
	}
	if z := zs.find("."); z >= 0 {
		zs.schema(q, name, z, labels[:min(n, maxLabels)], n)
		return true
	}
	return false
}

// schema reads the n labels left of zone z, of which labels holds the first.
func (zs zones) schema(q *query, name string, z int, labels []string, n int) {
	q.zone = z
	switch {
	case n == 0:
		q.kind = kindApex
	case q.servers(labels, n, zs[z].apex):
	case zs[z].domain != "" && n == 1 && labels[0] == "ns":
		q.kind = kindNS
	case zs[z].domain != "":
		q.kind = kindOwn
	case isReverse(name):
		if q.reverse(name); q.kind == kindNone && zs[z].apex == "" {
			q.server(labels)
		}
	case zs[z].external:
		q.outside(labels, n)
	case n > maxLabels:
		q.readZonal(name, zs[z])
	case labels[n-1] == "svc":
		q.service(labels[:n-1])
		if zs[z].multicluster {
			q.inClusters(name, labels[:n-1])
		}
	case labels[n-1] == "pod" && !zs[z].multicluster:
		q.pod(labels[:n-1])
	default:
		q.special(labels)
	}
}

func (q *query) service(l []string) {
	n := len(l)
	if n > 0 {
		q.key.Namespace = l[n-1]
	}
	if n > 1 {
		q.key.Name = l[n-2]
	}
	switch n {
	case 0:
		q.kind = kindBranch
	case 1:
		q.kind = kindNamespace
	case 2:
		q.kind = kindService
	case 3:
		q.kind, q.host = kindEndpoint, l[0]
		if l[0] == zonal {
			q.kind, q.host = kindZonal, ""
		}
	case 4:
		if l[1] == zonal && isDirective(l[0]) {
			q.kind = kindZonal
			return
		}
		q.kind = kindPort
		q.port, q.proto = strings.TrimPrefix(l[0], "_"), strings.TrimPrefix(l[1], "_")
	}
}

func (q *query) pod(l []string) {
	switch len(l) {
	case 0:
		q.kind = kindBranch
	case 1:
		q.kind, q.key.Namespace = kindPods, l[0]
	case 2:
		q.kind, q.key.Namespace, q.host = kindPod, l[1], l[0]
	}
}

func (q *query) special(l []string) {
	if len(l) == 1 && l[0] == "dns-version" {
		q.kind = kindVersion
		return
	}
	q.server(l)
}

// server reads the name that SOA and NS records of the zone point to.
func (q *query) server(l []string) {
	switch {
	case len(l) == 1 && l[0] == "dns":
		q.kind = kindBranch
	case len(l) == 2 && l[0] == "ns" && l[1] == "dns":
		q.kind = kindNS
	}
}

func (q *query) reverse(name string) {
	var p netip.Prefix
	var ok bool
	if text, is4 := strings.CutSuffix(name, ".in-addr.arpa."); is4 {
		p, ok = parseReverse4(text)
	} else if text, is6 := strings.CutSuffix(name, ".ip6.arpa."); is6 {
		p, ok = parseReverse6(text)
	}
	switch {
	case !ok:
		q.kind = kindNone
	case p.IsSingleIP():
		q.kind, q.net = kindReverse, p
	default:
		q.kind, q.net = kindNet, p
	}
}

// isReverse reports whether name is in a tree of addresses.
func isReverse(name string) bool {
	if !strings.HasSuffix(name, "arpa.") {
		return false
	}
	return strings.HasSuffix("."+name, ".in-addr.arpa.") || strings.HasSuffix("."+name, ".ip6.arpa.")
}

// parseReverse4 reads up to four octets, the last label first.
func parseReverse4(text string) (netip.Prefix, bool) {
	var a [4]byte
	n := 0
	for more := true; more; n++ {
		var label string
		text, label, more = cutLast(text)
		octet, ok := parseOctet(label)
		if !ok || n == len(a) {
			return netip.Prefix{}, false
		}
		a[n] = octet
	}
	return netip.PrefixFrom(netip.AddrFrom4(a), 8*n), true
}

// parseReverse6 reads up to 32 nibbles, the last label first.
func parseReverse6(text string) (netip.Prefix, bool) {
	var a [16]byte
	n := 0
	for more := true; more; n++ {
		var label string
		text, label, more = cutLast(text)
		nibble := strings.Index("0123456789abcdef", label)
		if len(label) != 1 || nibble < 0 || n == 2*len(a) {
			return netip.Prefix{}, false
		}
		a[n/2] |= byte(nibble) << (4 * (1 - n%2))
	}
	return netip.PrefixFrom(netip.AddrFrom16(a), 4*n), true
}

func cutLast(text string) (before, label string, more bool) {
	i := strings.LastIndexByte(text, '.')
	if i < 0 {
		return "", text, false
	}
	return text[:i], text[i+1:], true
}

// parseOctet reads a number up to 255 without leading zeros.
func parseOctet(s string) (byte, bool) {
	if s == "" || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return byte(n), n <= 255
}

// parseDashed reads an address as a label spells it: 10-0-0-1, fd00--1.
func parseDashed(label string) (netip.Addr, bool) {
	sep := ":"
	if strings.Count(label, "-") == 3 && !strings.Contains(label, "--") {
		sep = "."
	}
	if strings.ContainsAny(label, ".:%") {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(label, "-", sep))
	return a.Unmap(), err == nil
}
