// Package simulation holds nothing but tests: the real bridge, with its
// supervisors, loops and claims, runs between registries in memory, in fake time,
// while users change what they register and everything fails that can. Each
// schedule of changes and faults follows from one number, its seed:
//
//	go test ./bridge/simulation -seed 4711 -v
//
// Then the faults end, everything must become as it should be, and nothing is
// written any more. What must hold meanwhile is checked where the servers take a
// write, and not where the bridge says that it made one. The numbers are those by
// which a failure is named:
//
//	R1   in the end each target holds a mirror of each original, and nothing else
//	     of the bridge's; then nothing is written for a minute
//	R2   no mirror goes, or loses its last instance, while its original has some, or
//	     may have again at once
//	R3   what one process takes away within the hold, however often it is elected
//	     meanwhile, is at most the limit, of services or of all instances; but for
//	     what was approved, or is gone from the source for as long as the hold lasts
//	R4   nothing is put but a copy of a native of a rule's source
//	R5   nothing is written but mirrors of a rule, in the format that is known, nor
//	     under a name that somebody else has; others' records stay as they are
//	R6   nothing is written that says what stood there
//	R7   all of that with a crash before and after any write
//	R8   a registry that cannot be read is said to be so
//	R9   no mirror goes back to what its original said earlier, unless the fence is
//	     gone or from a backup while two bridges run, or who is elected was told
//	     less than who led before
//	R11  a writer that was deposed writes nothing, nor does one of a term of leading
//	     that is over: what it has under way is refused; and what was under way when
//	     its outcome became unknown comes to nothing that was made since
//	R12  no decision depends on the wall clock
//	R13  what a watch did not tell is found by comparing
//	R14  an original that no target takes, or a record that cannot be read, is in
//	     nobody's way
//	R16  the last instance counts as the service, in R2 and R3
//	R18  a registry that became what it was earlier, or another, costs no more than
//	     R2 and R3 allow
//
// R10, R15 and R17 are about answers of DNS and about load, and are held elsewhere:
// R10 by TestNotSynced of plugin/isthmus.
// A bridge that is started anew knows nothing of what was deleted before: R3 counts
// for each process by itself.
//
// The servers have the ways of what they stand for, as memory.Ways tells them and
// tests on real ones show. Those of ZooKeeper's are behind until they are asked to
// catch up, and tell later than others what changed; nobody can tell what became of a
// write when the connection is lost; versions begin again with a record; mirrors have
// no instances but ready ones; and a service without instances is not there, nor gone
// at once. That watches tell nothing of what was so in between goes for all: changes at
// one moment, and those within a lag, are seen as one.
//
// In every third schedule two processes elect which of them writes, by leases in a
// registry that fails as all others do. In the others there is one, and another
// takes over only where a fault says so.
package simulation
