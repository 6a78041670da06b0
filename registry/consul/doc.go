// Package consul makes a Consul datacenter a registry: it reads the services
// that are registered there and writes mirrors beside them.
//
// # Names
//
// A Consul service is the service of its name, in lower case, in the one
// namespace that the stanza gives. Its native instances are one service; the
// instances that a bridge wrote are one more for each owner. Mirrors stand on
// nodes of the owner's own, "<owner>-00" and so on, 256 unless told otherwise,
// chosen by a hash of the name: with each instance that is written Consul walks
// all checks of its node. Their address is
// 192.0.2.1, of a block that is kept for documentation, so nothing is ever
// sent to it; every instance has its own address.
//
// # Health
//
// An instance is ready unless a check of it or of its node is critical, or it
// is in maintenance. A mirror's instance has one check, passing or critical;
// maintenance and checks that others add count for all readers but its writer.
//
// # What cannot be held
//
// Consul has instances only. Virtual addresses, a TTL, and the difference
// between serving and ready have no place; what a service says of itself is
// said by each of its instances. An alias becomes an instance whose address
// is a name, which Consul answers by a CNAME. Names of metadata lose what
// Consul does not take, and too long values are cut. A service without
// endpoints is absence.
//
// # Reading
//
// A blocking query on the list of services wakes a watch; it may be stale.
// Woken, it asks what changed and reads that, from the leader:
//
//	the nodes of users                         are asked for their indexes, by a query whose filter lets
//	                                           nothing through; of one that moved the names are listed,
//	                                           and a name that came or went is read
//	a name that stands on them                 is asked for its index likewise, and read if that moved
//	the nodes of the owners                    are asked for their indexes likewise; of one that moved
//	                                           the list is compared, and names that differ are read
//	a check that began or ceased to fail       makes its name be read
//
// Where users have more than 256 nodes, all names are listed instead, and those
// with instances that no bridge wrote, for which Consul walks every instance.
//
// Two more block on the checks that are critical and on those that warn. What
// they tell of users' services is read at once, between two rounds, by these
// names alone; what they tell of mirrors and of nodes wakes a round.
//
// At first, and whenever everything is read again, the nodes of owners are read
// whole, and only names that stand elsewhere, too, by themselves. Of the checks on
// those nodes only the failing ones are read then: the others say nothing that is
// not known without them, and are half of what Consul would have to answer. What a
// write needs of a mirror's checks it asks for first.
//
// So 10,000 mirrors cost 256 small questions and no connection of their own,
// where a blocking query each would meet Consul's limit of 200 connections a
// client. A watch holds three connections and at most 32 more while it reads.
// Each name that is not a mirror alone costs one small question a round, and
// rounds are kept apart by a millisecond for each such name: at most a
// thousand questions a second, whatever happens in Consul. While a bridge
// writes, the nodes that it writes are read at most a tenth of the time, not
// at once, and each half minute at least: its own writes showed already. One
// that it was the last to write is listed when it pauses, or each half minute;
// until then what another did there before is hidden beneath its own. And it
// blocks on no list then, which each of its writes would have the server make
// anew, but looks four times a second whether the index of all services moved.
//
// What was reported is kept by the catalog alone. A watch keeps the names, of
// the records on a node one sum for each name, and of mirrors that it wrote a
// hash of each version.
//
// # Directory
//
// With the word "directory" what Consul's own DNS has is reported, too: under
// each name all instances, whoever registered them, proxies and Consul itself
// among them, and all nodes. Nodes are read with every round, which another
// blocking query wakes; they cost one question.
//
// # Access rules
//
// An answer that access rules left something out of is an error, never an
// absence: it ends the watch, and the last report stands. The token needs to
// read all services and nodes. This is how such an answer is known:
//
//	Consul says so                     with a token it always does
//	a list of services lacks "consul"  which every server registers
//	no token is configured             Consul does not say so then, and is asked after each round,
//	                                   before anything is reported, whether everybody may read all
//	the token file is empty            nothing is asked: a program is writing it, and Consul would
//	                                   take the question for one without a token
//
// Without a token, rights are judged by the agent that is asked: where access
// rules are on for the servers only, or a client agent still holds old ones
// (30 seconds unless it is told otherwise), it errs; give it a token there. When
// the token is another than it was, everything is read again.
//
// # Writing
//
// Everything is written by transactions of at most 128 operations. Each
// begins with the owner's fence, the node "<owner>-fence", compared and left
// as it is, so that the server refuses a deposed writer. Every record that is
// written is compared by its ModifyIndex; a service's Version lists those of
// all its records. Records that stay as they are are left alone: a stranger's
// change of one is overwritten by nothing, and seen by the watch. What only
// adds records compares one that stands, so that nothing is added to a mirror
// that is gone. What Consul cannot compare is that nothing was added: a Writer
// remembers the version that it wrote last, and asks when the caller's is
// another.
//
// The identity of a datacenter is its name with the id that its certificate
// authority gave the cluster, which any token may read and which outlives
// every server; without an authority, the least id of its servers when it was
// first asked. Nothing that a reader may see is steadier then: while the
// process runs that id stays, but a restart after that server was replaced
// finds another registry. So leave the authority on (connect, which is
// Consul's default).
//
// An address may come to lead to another datacenter, and no connection break. So
// the identity is asked for again before anything is reported to be gone, before a
// first report, and where the nodes of a round have none of the servers that were
// there before. Once it is another one the watch ends, and the last report stands
// until the next one.
package consul
