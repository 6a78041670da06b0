// Package zookeeper is the registry ZooKeeper: services as Apache Curator's service
// discovery registers them, the layout of Spring Cloud and of Dubbo 3.
//
// An instance of the service NAME stands at
//
//	<path>/<name>/<id>
//
// as Curator's JSON, with a payload of whatever class, or with `format serverset` or
// `format nerve` in theirs. What is an instance is told by the data alone: whatever
// holds none may be the parent of others, so a name may be of several elements, and a
// path that has instances itself is the service called as its last element. The
// service "a/b" has the key "a-b"; of several that have one key the one whose node is the
// oldest is taken, and the others are refused. A node that cannot be read, or
// holds what is neither an instance's data nor above others, is refused by its path
// and the others go on.
//
// All services are headless, in the namespace of the stanza. Of Curator's JSON port
// is the port without a name and sslPort the port "https", both on TCP. An instance
// with `enabled` false, and one whose payload has the metadata "instance_status" with
// another value than "UP", is not ready. Other metadata of the payload are the
// endpoint's; "zone" is its zone, too, and "weight" its weight. A server set's
// serviceEndpoint is the port without a name, its additionalEndpoints the ports of
// their names, and members that are not ALIVE are not ready.
//
// What a bridge wrote is told by the name of its instances, which begin with
// "isthmus-" and the owner, and by a side node for each mirror outside of the path,
//
//	/isthmus/<path, "/" as "%2F">/<owner>/mirrors/<name>
//
// which holds the mark and all that Curator's JSON has no word for. An instance of
// such a name is never taken for a native one.
//
// # Writing
//
// A mirror's instances stand beside those of others, at
//
//	<path>/<name>/isthmus-<owner>-<12 digits>
//
// one of each ready endpoint, with the fields of Curator's JSON and no other, since its
// readers refuse all of a service for one that they do not know. port is the first
// port, or the one that the service names, 0 without any, and sslPort as well where that
// is for https; the payload is null, or Spring's class where the stanza says `payload
// spring`. Clients of Dubbo's can read neither, so a rule that shares names does not share
// those at which Dubbo registered. The nodes stay, and are PERMANENT for Curator, until a
// bridge removes them. Where the stanza says `dynamic` they are ephemeral and DYNAMIC:
// they go with the session of the bridge that writes, and while it has another one their
// mirrors read as differing, so that they are put again. The nodes above them are
// containers.
//
// A side node has at most 900 KiB. Of a service that has thousands of endpoints it leaves
// out, as far as needed and in this order, their tags, metadata, nodes and pods.
//
// All of a mirror is what its side node says: of its endpoints those count whose
// instances are there with the same address and port. A mirror of ours of which any
// node is not just as we write it reads back with the meta entry "isthmus.dev/drift",
// which no Canon has; so the next plan repairs it. Instances whose side node is gone or
// cannot be read are no service, since nobody knows what they are copies of: their own
// bridge refuses them by their paths, and what it puts at their name takes them over.
//
// The fence is the node /isthmus/<path>/<owner>/fence with one node below it, of its
// holder, whose name nobody drew before and nobody draws again. Who takes over makes
// another and removes that one. Every write is one transaction that writes to the holder's
// node first, and compares the version of the side node and of each node that it touches.
// Beside that it has at most 1000 operations and half a MiB, or one side node that has
// more. Only the nodes above instances and side nodes, which are empty, are made before
// it. That a node is as it was read is compared by its version alone: one that was removed
// and made anew in between, and has the same version, is taken for the same. A service of
// more than one transaction adds first and removes last; stopped in between, it reads as
// differing. Several transactions of one Put or Delete are under way at a time, once the
// first was answered; of as many the outcome may be unknown when the connection is lost.
// Nothing is assumed of those: what the next Watch reads is what stands. Before the next
// write the fence gets another holder, so that whatever of them comes later is refused, also
// where it would find what was made anew since, at the same versions.
//
// What is written can be changed by the user of the stanza alone, and read by all, or
// by nobody else with `acl private`; that goes for the nodes above instances, too, and
// for the path, if they were not there. So nobody else can add instances there: an
// administrator who wants that makes them beforehand. Without a user, only `acl world`
// lets anything be written.
//
// # Watching
//
// Watches of ZooKeeper tell that something changed, once, and not what. So each that
// fires has the node read and watched again, and a list of children is compared with
// what was known. Lists of a parent with thousands of children are spaced by as long
// as they take. A service is reported once nothing of it is being read any more. One of
// which no instance is left is kept for half a second: a client of Curator's that has
// reconnected registers its instance by removing it and making it anew. A first report
// waits as long where the last instance was taken from a node.
//
// A session lasts as long as its connection. Who loses it, by whatever fault, gets
// another from whichever server of the ensemble gives one first, has that one catch up
// with the ensemble, and reads everything again; what was known stands meanwhile, and
// the report after that says what differs. Of what did not change nothing is decoded
// again.
//
// A node that the user may not read is refused. What was known of it stands, and
// while there is one, the origin is reported to be known in part only: a bridge then
// deletes nothing because of it. That one may be read again no watch tells; comparing
// finds it. The origin is known as a whole again once what was hidden has been reported.
//
// What a server says is bounded: an instance has 64 KiB, a node's path 1024 bytes. What
// is more than 150,000 nodes below one, or has names of more than 32 MiB, stands as a node
// does that may not be read. Whoever answers as no ZooKeeper does loses the connection.
//
// A watch is a hint: about every five minutes the versions of all nodes are asked for
// and compared with those that are known. What differs, and is not told of within
// seconds, is read again, and the log says how many nodes were missed.
//
// # What it costs a server
//
// A Watch, which is one bridge or one DNS server, keeps on its server one watch for each
// instance, two for each service's node, for what it holds and for what is below, one for
// each side node and two for each owner of some, and two more: 120,002 for 10,000 services
// of ten instances each. They do not become more as time passes. To read everything takes
// as many requests and a few, a comparison one for each node, and whether the server is
// there is asked once a second.
//
// An instance that comes costs two requests, for the list and for what it holds; one that
// changes or goes costs one, and a service that comes two beside the list above it and
// its instances. That is so however many services there are; what grows with them is the
// answer that lists all, which is asked for when one comes or goes.
//
// To Put a mirror or to Delete it takes one request, however many instances change, as
// long as that fits into one transaction, and two more where nothing stood at the name:
// for the fence, and for the node above the instances. Many mirrors share the transaction
// and the question for the fence. What was written is then read as if others had, each
// node once.
//
// # Identity
//
// The identity is zookeeper:<path>:<id>. ZooKeeper has no id of its own, so the id is
// a random word at /isthmus/id, created by the first Watch that may write there and
// never changed by one. It comes before that Watch's first report, and so before any
// mark that names it; a restart finds it and writes nothing. Only a Watch whose stanza
// says who may change what is written, by auth_file or `acl world`, creates it: a DNS
// server that was given nothing but an address writes nothing.
//
// While there is no id, or for a user who never could read it, the identity is the part
// before it. Who could once, and may not any more, reads nothing until it may again, and
// what was known stands. Every Watch asks for the id again and again, and returns when it
// is another one, so that the next reports the new identity. An administrator may write
// the id before the first bridge reads:
//
//	create /isthmus
//	create /isthmus/id d2f1c0a8
//
// To change or delete the id by hand makes another registry of it: mirrors under the
// old identity are orphans then.
package zookeeper
