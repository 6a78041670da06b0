// Package mirror is the reconciling core of the bridge: it makes one registry
// hold copies of another's services.
//
//	Snapshot --Desired--> Wanted --Diff--> Plan --Apply--> registry.Writer
//	    ^                                                        |
//	    +----------------- the target's own watch ---------------+
//
// Desired and Diff are pure: a snapshot and a Rule say all. Apply writes what
// the plan says. A Loop does the three again whenever the catalog changes, and
// the echo of a write in the catalog is its acknowledgement: no other state is
// kept but what waits for a retry or an approval, so a restart loses nothing
// and rewrites nothing.
//
// A change of what services say is planned at its own cost, by way of the last
// plan; see base.
//
// Instances whose address is a name have no place in a cluster's slices. A
// Resolver keeps the names' addresses, and they are a part of what is wanted.
//
// Natives at a target that speaks for namespaces may ask for what a rule's source
// has: that is a mirror under the native's own key, whose mark says that it
// joins (see Wanted.join).
//
// What it holds to, whatever a rule or a registry says:
//
//   - Only natives of the source are copied, never a mirror, but those by other
//     bridges that the rule names; and no copy of such a copy.
//   - Only mirrors of this rule are ever written or deleted: those whose mark
//     names this owner and the source's identity, as the original's registry or,
//     of a copy's copy, as what it was read from. Two rules that mirror one
//     registry to one target, by two origins, could not tell theirs apart and
//     write nothing.
//   - Nothing is deleted unless the source was synced and both sides are
//     connected, nor more at a time than the rule's limit allows.
//   - A service that cannot be held is reported; its old copy stands, and the
//     others go on.
package mirror
