// Package memory is the reference implementation of a registry: it lives in
// the process, does all that the contract asks, and is what tests use where
// they need some registry.
//
//	users' methods --> Server <-- Reader, Writer --Feed--> Catalog
//
// A Server is what the other registries' servers are: it keeps records with
// versions, namespaces, fences with epochs, and a history of changes that it
// may forget. Readers and Writers reach it through its Link, which can be
// disturbed as a network can; the Server's own methods, which act as its users
// do, cannot. Over a Wire each request can have a fate of its own. A Server can
// be made what it was in a Backup, and have Ways that only some real servers have.
//
// Rules:
//
//   - Records are never modified, only replaced, so that what was read stays
//     as it was.
//   - A write compares the record's version and the owner's epoch in one step.
//   - Each Reader and Writer knows how far its feed is in the history. Watch
//     and every write bring the feed forward, never back, under one lock, so a
//     feed shows a write before the write returns.
package memory
