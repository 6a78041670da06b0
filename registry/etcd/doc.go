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
// It deletes all that begins with the bytes of a name of its own, so nothing is
// written there: "webapp" is refused beside its "web".
//
// What a bridge writes carries in each value one more field, which SkyDNS's
// readers pass over: "isthmus", the mark and what SkyDNS has no word for. So
// each record says for itself whose it is. Nothing but such records is ever
// written below the path; the owner's fence for a zone is the key
// /isthmus/fence/<owner>/<path>/<zone reversed>. No record has a lease. Beside
// fences, nothing but the key /isthmus/id is written.
//
// A mirror's endpoints are written so that the stock plugin answers A and AAAA
// of the service and of each host name, and SRV of the service and each port,
// as a cluster's DNS does for a headless service; each SRV target resolves.
//
// Where the stanza says reverse, a mirror also has a record at
//
//	/<path>/arpa/in-addr/10/0/0/1    or below ip6, of each ready address
//
// with a name that has the address. The stock plugin reads that key alone, so an
// address has one name: what stands there, a mirror of ours or another's record,
// keeps it, and the mirrors that would have it are looked at again once it is
// gone. Ours is part of its mirror's version, and written and deleted with it in
// the same transactions. What others wrote there is neither read nor refused.
//
// Every write is one transaction of at most 100 operations that compares the
// owner's fence and the revision of each record that it touches; a service of
// more records is compared transaction by transaction. Several transactions of
// one Put or Delete are under way at a time, once the first was answered; of as
// many the outcome may be unknown.
//
// A mirror of ours whose records differ from what its service would be written
// as, be it in a field that a Service does not hold, reads back with the meta
// entry "isthmus.dev/drift", which no Canon has; so the next plan repairs it.
//
// A watch is a hint: about every five minutes the revisions of all keys are
// listed and compared with what the watch told. If it missed anything, and does
// not tell it within seconds, everything is listed and reported again, and the
// log says how many records were missed.
//
// # Identity
//
// The identity is etcd:<cluster id>:/<path>/<zone reversed>:<id>. etcd computes
// the cluster id from the first members' peer URLs and the cluster token alone,
// so that two etcds begun with defaults have the same; two zones of one etcd
// are two registries. The id is what tells etcds apart: a random word at
// /isthmus/id, created by the first Watch that may write there and never changed
// by one. It comes before that Watch's first report, and so before any mark that
// names it; a restart finds it and writes nothing.
//
// A user who may only read needs to read /isthmus/id to see the identity that
// others see. While there is none, or for a user who may not read it, the
// identity is the part before; a DNS server of that kind answers from an
// original and its mirror, since it cannot tell that one is the other's. Every
// Watch asks for the id again and again, and after each list, looks at the cluster's
// id in whatever the watch says, and returns when either is another one, so that the
// next reports the new identity. Where no user of ours may write, an
// administrator writes the id before the first bridge reads:
//
//	etcdctl put /isthmus/id "$(uuidgen)"
//
// An etcd that is wiped and begun anew is another registry once its id is
// written anew; one that is restored from a backup is the same. Of two copies
// that go on side by side, one needs a new id. To change or delete the id by
// hand makes another registry of every zone: mirrors under the old identity are
// orphans then.
package etcd
