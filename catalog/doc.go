// Package catalog holds what is known of services: the words of the project
// as types, and one in-memory catalog made of immutable snapshots.
//
//	registry --Feed--> Catalog --Snapshot--> DNS answers, mirrors
//
// It does no I/O and imports the standard library only.
//
// Words. A registry is a place where services are registered. An Origin is
// one configured registry, and its Identity is what the registry itself says
// it is. A Key is a service's namespace and name. A Service is what one origin
// holds of one key under one mark. A service that its origin's own users
// registered is native; a mirror is a copy that a bridge wrote, and its Mark
// says which bridge and what it is a copy of.
//
// Rules for everyone:
//
//   - A Service handed to a Feed belongs to the catalog and is never modified
//     again, by anyone; nor is anything reached from a Snapshot.
//   - Readers take a Snapshot and hold it as long as they like; taking one
//     never blocks and a change never touches it.
//   - A Feed's methods may be called from any goroutine; they take effect in
//     the order in which they are called, each in one new snapshot.
//   - Changing one service costs the same among ten and among 100,000.
package catalog
