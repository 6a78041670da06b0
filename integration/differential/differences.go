package differential

import (
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// dispute is one question that both sides answer differently, other than by
// the spelling of names inside records. All of it is in lower case.
type dispute struct {
	v           *variant
	name        string
	typ         uint16
	zone        string
	labels      []string // left of the zone
	spelled     bool     // the question's zone was not in lower case
	stock, ours answer
	s           *state // what of it the variant shows
	stockSays   oracle
	oursSays    oracle
	unignored   oracle // the stock plugin where nothing is ignored
}

// oracle asks one side another question of the same variant and state.
type oracle func(name string, typ uint16) answer

// difference is one decision to answer other than the stock plugin does.
type difference struct {
	name string // unique, for people
	why  string // the line of the manual's Differences that lists it
	// explains reports whether the decision, and nothing else, makes the
	// difference: it predicts our answer from what the stock plugin says and
	// from what the API server holds. It is nil for what is not looked at in
	// records that are compared: the spelling of names, and serials.
	explains func(*dispute) bool
	// shows reports whether it can show on this host; nil: on all.
	shows func() bool
}

// differences are all of them. A question that is answered differently must be
// explained by exactly one.
func differences() []difference {
	return []difference{
		{name: "spelling", why: "names inside records are in"},
		{name: "serial", why: "The SOA serial moves with every change"},
		{name: "existence", explains: (*dispute).existence,
			why: "A name exists for all types or for none."},
		{name: "branch", explains: (*dispute).branch,
			why: "Names between others exist without records"},
		{name: "case", explains: (*dispute).otherCase,
			why: "Case never counts"},
		{name: "alias", explains: (*dispute).alias,
			why: "An ExternalName is answered by its CNAME for every type"},
		{name: "alias long", explains: (*dispute).longAlias,
			why: "At most 11 aliases are followed, over all zones."},
		{name: "below alias", explains: (*dispute).belowAlias,
			why: "Nothing exists below an ExternalName"},
		{name: "nameserver bound", explains: (*dispute).boundServer,
			why: "The zone always has an NS record, with *bind* to an address, too"},
		{name: "nameserver link-local", explains: (*dispute).linkLocal, shows: hasLinkLocal,
			why: "Link-local addresses are not told"},
		{name: "nameserver of reverse zone", explains: (*dispute).reverseServer, shows: hasAddr,
			why: "The NS records of reverse zones name servers in the zone of the services"},
		{name: "nameserver hidden", explains: (*dispute).hiddenServer, shows: hasAddr,
			why: "only by services that are served"},
		{name: "nameserver in search path", explains: (*dispute).searchedServer,
			why: "`ns.dns.ZONE` exists, and nothing that merely begins like it"},
		{name: "namespace taken to exist", explains: (*dispute).takenSpace,
			why: "The `namespaces` are taken to exist"},
		{name: "reverse name, other type", explains: (*dispute).reverseOther,
			why: "Reverse names answer NODATA to other types than PTR where they exist."},
		{name: "reverse name of nothing", explains: (*dispute).deadPointer,
			why: "Reverse names lead to names that exist only"},
		{name: "schema in reverse zone", explains: (*dispute).schemaInReverse,
			why: "Reverse zones hold no names of services"},
		{name: "below reverse name", explains: (*dispute).belowReverse,
			why: "Labels in front of a reverse name do not exist, nor IPv4 addresses below `ip6.arpa`."},
		{name: "below pod", explains: (*dispute).belowPod,
			why: "Labels in front of a pod's name"},
		{name: "port of pod", explains: (*dispute).podPort,
			why: "Pods have no SRV record"},
		{name: "pod spelled otherwise", explains: (*dispute).podSpelling,
			why: "With `pods verified`, a pod's IPv6 address may be spelled in any way."},
		{name: "terminating", explains: (*dispute).terminating,
			why: "Where no endpoint of a service is ready, those that terminate and still serve are answered"},
		{name: "zonal of nothing", explains: (*dispute).deadZonal,
			why: "With `zonal`, nothing exists below a headless service without a ready endpoint"},
		{name: "weight", explains: (*dispute).weight,
			why: "The weights of SRV records count what has a record, once."},
		{name: "port without number", explains: (*dispute).numberless,
			why: "Ports of EndpointSlices without a number are no ports."},
		{name: "endpoint with name", explains: (*dispute).namedEndpoint,
			why: "EndpointSlices of the deprecated type FQDN are left out."},
		{name: "imported version", explains: (*dispute).importedVersion,
			why: "In multicluster zones `dns-version` is 1.0.0"},
		{name: "imported pod", explains: (*dispute).importedPod,
			why: "Names of pods do not exist there"},
		{name: "imported endpoint", explains: (*dispute).importedEndpoint,
			why: "neither do names of endpoints behind a ClusterSetIP"},
		{name: "imported cluster", explains: (*dispute).importedCluster,
			why: "The parent of endpoints' names, `CLUSTER.SERVICE...`, exists without records"},
		{name: "imported nameserver", explains: (*dispute).importedServer, shows: hasAddr,
			why: "its NS record is `ns.dns.ZONE`"},
		{name: "imported of nobody", explains: (*dispute).importedOfNobody,
			why: "An EndpointSlice of several clusters' that does not say which one it is of"},
		{name: "imported without label", explains: (*dispute).importedUnlabelled,
			why: "`labels` selects ServiceImports"},
		{name: "outer label", explains: (*dispute).outerLabel,
			why: "Labels in front of a service with external addresses (`x.SERVICE.NS.ZONE`) do not exist."},
		{name: "outer of endpoints", explains: (*dispute).outerOfEndpoints,
			why: "With `headless`, `SERVICE.NS.ZONE` exists without records"},
		{name: "outer names", explains: (*dispute).outerNames,
			why: "A CNAME record never stands beside others"},
	}
}

// denial is what an absent name gets, here and now.
func (d *dispute) denial() answer { return d.denialAt(d.name) }

// nodata is what a name gets that exists without the type.
func (d *dispute) nodata() answer { return d.stockSays(d.zone, dns.TypeMX) }

// denies reports whether the stock plugin holds that name does not exist.
func (d *dispute) denies(name string, typ uint16) bool {
	zone, _ := d.v.split(name)
	return zone != "" && d.stockSays(name, typ).is(d.denialAt(name))
}

func (d *dispute) denialAt(name string) answer {
	zone, _ := d.v.split(name)
	return d.stockSays("x.y.z."+zone, dns.TypeA)
}

func (d *dispute) existence() bool {
	if d.typ == dns.TypeSOA && len(d.labels) > 0 {
		return d.stock.is(d.nodata()) && d.denies(d.name, dns.TypeA) && d.ours.is(d.denial())
	}
	special := d.typ == dns.TypeTXT || slices.Equal(d.labels, []string{"dns-version"}) ||
		slices.Equal(d.labels, []string{"ns", "dns"}) && d.typ == dns.TypePTR
	return special && !d.isSchemaInReverse() && d.stock.is(d.denial()) && d.ours.is(d.nodata()) &&
		(!d.denies(d.name, dns.TypeA) || !d.denies(d.name, dns.TypeTXT))
}

func (d *dispute) branch() bool {
	return d.stock.is(d.denial()) && d.ours.is(d.nodata()) && d.isBranch()
}

func (d *dispute) isBranch() bool {
	l := d.labels
	switch {
	case slices.Equal(l, []string{"dns"}):
		return true
	case isReverseZone(d.zone):
		return len(l) > 0 && d.hasReverseBelow()
	case len(l) == 4 && l[3] == "svc" && l[0] == "_zone", len(l) == 5 && l[4] == "svc" && l[1] == "_zone" && (l[0] == "pin" || l[0] == "prefer"):
		service := strings.Join(l[len(l)-3:], ".") + "." + d.zone
		svc := d.s.services[key{l[len(l)-2], l[len(l)-3]}]
		return d.v.zonal && svc != nil && isHeadless(svc) && !d.denies(service, dns.TypeA)
	case len(l) == 4 && l[3] == "svc", len(l) == 3 && d.zone == outerZone:
		return !d.denies("_."+d.name, dns.TypeA)
	}
	return false
}

// hasReverseBelow reports whether the reverse name of an address that leads to
// a name is below this one, which is not whole itself.
func (d *dispute) hasReverseBelow() bool {
	for _, a := range d.s.addrs() {
		name, err := dns.ReverseAddr(a.String())
		if err == nil && strings.HasSuffix(name, "."+d.name) && len(d.oursSays(name, dns.TypePTR).answer) > 0 {
			return true
		}
	}
	return false
}

func (d *dispute) otherCase() bool {
	return d.spelled && d.stockSays(d.name, d.typ).is(d.ours)
}

// belowAlias: to the stock plugin any port of any protocol is an alias, too.
func (d *dispute) belowAlias() bool {
	k, below := d.service()
	svc := d.s.services[k]
	return svc != nil && isAlias(svc) && len(below) == 2 && strings.Trim(below[0]+below[1], "_") == "" &&
		(!d.denies(d.name, dns.TypeA) || !d.denies(d.name, dns.TypeCNAME)) && d.ours.is(d.denial())
}

// maxAliases is how many aliases are followed. The stock plugin begins to count
// anew in each zone.
const maxAliases = 11

func (d *dispute) longAlias() bool {
	chain, end := d.chain()
	slices.Sort(chain)
	return len(chain) == maxAliases && end == "" && len(missing(chain, d.stock.answer)) == 0 && len(d.stock.answer) > maxAliases &&
		d.ours.is(answer{flags: d.nodata().flags, answer: chain})
}

// alias: the chain of aliases, and behind it what stands at its end, if that
// is in a zone of ours.
func (d *dispute) alias() bool {
	chain, end := d.chain()
	if len(chain) == 0 || d.otherCase() {
		return false
	}
	sorted := slices.Sorted(slices.Values(chain))
	if !d.stock.is(d.nodata()) && len(missing(d.stock.answer, sorted)) > 0 {
		return false
	}
	zone, _ := d.v.split(end)
	switch {
	case end == "" && len(chain) == maxAliases && len(d.stock.answer) > maxAliases:
		return false
	case zone == "":
		return d.ours.is(answer{flags: d.nodata().flags, answer: sorted})
	}
	at := d.oursSays(end, d.typ)
	if at.is(d.denialAt(end)) { // nothing falls through behind an alias
		at = d.stockSays(zone, dns.TypeMX)
		at.rcode = dns.RcodeNameError
	}
	return d.ours.is(at.with(union(sorted, at.answer)))
}

// atEnd returns the dispute about what the name is an alias of, if both sides
// add to the aliases what they say of that.
func (d *dispute) atEnd() *dispute {
	chain, end := d.chain()
	zone, labels := d.v.split(end)
	if len(chain) == 0 || zone == "" || d.otherCase() {
		return d
	}
	slices.Sort(chain)
	e := *d
	e.name, e.zone, e.labels = end, zone, labels
	e.stock, e.ours = d.stockSays(end, d.typ), d.oursSays(end, d.typ)
	if e.stock.is(e.ours) || !d.stock.is(e.stock.with(union(chain, e.stock.answer))) || !d.ours.is(e.ours.with(union(chain, e.ours.answer))) {
		return d
	}
	return &e
}

// chain follows the aliases from the name on. The end is "" in a circle, and
// where there are too many.
func (d *dispute) chain() (records []string, end string) {
	end = d.name
	for {
		zone, labels := d.v.split(end)
		if zone == "" || len(labels) != 3 {
			return records, end
		}
		cname := d.stockSays(end, dns.TypeCNAME).answer
		switch {
		case len(cname) != 1:
			return records, end
		case slices.Contains(records, cname[0]) || len(records) == maxAliases:
			return records, ""
		}
		records = append(records, cname[0])
		end = parseRR(cname[0]).(*dns.CNAME).Target
	}
}

// String shows the dispute for people.
func (d *dispute) String() string {
	return "stock: " + d.stock.String() + "\nours:  " + d.ours.String() + "\nvariant " + d.v.name + ", labels " + strconv.Quote(strings.Join(d.labels, " "))
}
