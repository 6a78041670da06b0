// Package etcd is the registry etcd: services as SkyDNS records, the layout
// that CoreDNS's stock etcd plugin answers from and external-dns writes.
//
// Below /<path>/<zone reversed> a record stands at
//
//	svc/<ns>/<name>[/_<proto>[/_<port>]][/<id>]    of the service <ns>/<name>
//	<name>[/_<proto>[/_<port>]][/<id>]             of the service NAMESPACE/<name>
//	dns/...                                        the zone's own name servers; not read
//
// and holds SkyDNS's JSON. Records of one id and host are one endpoint, its
// ports one record each. A record that cannot be read is refused by its key and
// the others go on. A record's group and priority are not read.
//
// What external-dns wrote is a mirror of catalog.UnknownOwner: a value with
// its "owner", a text of its heritage, or a name beside which its registry
// keeps such a text.
//
// What a bridge writes carries in each value one more field, which SkyDNS's
// readers pass over: "isthmus", the mark and what SkyDNS has no word for. So
// each record says for itself whose it is. Nothing but such records is ever
// written below the path; the owner's fence for a zone is the key
// /isthmus/fence/<owner>/<path>/<zone reversed>. No record has a lease.
//
// A mirror's endpoints are written so that the stock plugin answers A and AAAA
// of the service and of each host name, and SRV of the service and each port,
// as a cluster's DNS does for a headless service; each SRV target resolves.
//
// Every write is one transaction of at most 100 operations that compares the
// owner's fence and the revision of each record that it touches; a service of
// more records is compared transaction by transaction.
//
// A mirror of ours whose records differ from what its service would be written
// as, be it in a field that a Service does not hold, reads back with the meta
// entry "isthmus.dev/drift", which no Canon has; so the next plan repairs it.
//
// The identity is etcd's cluster id. etcd computes it from the first members'
// peer URLs and --initial-cluster-token; it stays when members come and go. Two
// clusters begun with the same peer URLs need different tokens to be told apart.
package etcd
