// Package faults holds nothing but tests: the bridge's program as it is shipped,
// between a real API server, Consul, etcd and ZooKeeper that hold a thousand services,
// while everything fails that can and their users go on changing them.
//
//	go test ./integration/faults -v
//
// Five worlds, each with registries and a bridge of its own, mirror the same cluster,
// with the rights that "isthmus rights" prints and no more. Four have a Consul and an
// etcd, into which they mirror, and back from Consul. The fifth has two ZooKeepers, one
// of a single server and one of three, into which and from which it mirrors. Each
// world has faults of its own, at the same time as the others, and the last one is
// common to all. Each that lasts is held three times as long as delete_hold.
//
//	kills     the bridge is killed with -9 again and again, from its first write on;
//	          then all its connections are slow
//	leaders   its leader is paused past its lease, with writes under way
//	servers   Consul and etcd are down, come back, and are restored from an older
//	          snapshot
//	links     the token may no longer read services, while etcd is compacted behind a
//	          watch that hears nothing; then connections are cut, stalled and robbed
//	          of their answers
//	sessions  the bridge is killed again and again, from its first write to ZooKeeper on.
//	          Then, of the single server: it is killed and down; its sessions expire
//	          behind connections that are stalled. At the same time, of the ensemble:
//	          its leader is killed; the next one is paused; sessions expire behind
//	          connections that are cut
//	last      the API server is down, and comes back
//
// # What is judged
//
// No service may go from a target that lives in its source. It is judged by what the
// servers keep of each record: when it was made (Consul's CreateIndex, etcd's
// create_revision, ZooKeeper's czxid, Kubernetes' uid). That of the oldest record of a
// service never changes while the service is there, since one of its addresses never
// does; a service that was gone for a moment comes back with another, however short
// that was and whenever it is looked at. Users say that they delete a service before
// they do, and never take its name again. A server that was given an older
// snapshot lost what came after it, and not by the bridge: while that happens the
// bridge is cut off, and what is there afterwards is what counts from then on.
//
// A kill hits with writes in flight if a proxy before the server has read a request
// that writes, and its answer was not handed to the bridge when that was dead. The
// proxy lets nothing on in either direction from before the kill until after it.
// Such a request then reaches the server too late, or never, as the seed says.
//
// A session has expired if the server knew it when the connections were stalled or cut
// and does not know it any more when they are healed: nobody could tell it meanwhile
// that the session is over. After a ZooKeeper server was killed or paused, the bridge
// has none of the sessions that it had before.
//
// A leader that is paused had writes on their way to Consul, etcd and Kubernetes, which
// a proxy kept until another one had led and written. Those to Consul and etcd make
// what nobody else ever heard of, since users took it away again while all was kept: were
// it not for the fence, they would be taken. They must come, and not be taken. In the
// cluster what they make must be gone again, and nothing else be changed by them.
//
// In the end every target must be, within ten seconds, what a plain reading of the
// sources says, and a ZooKeeper must be so after each of its own faults; then no server
// may count a write for a minute, while the bridge compares all of it three times. What
// ZooKeeper counts by itself are sessions, too; so it is when each of its nodes was
// made, changed, and had nodes made or removed below it.
package faults
