package registrytest

import (
	"context"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// T is what a case needs of a test. *testing.T is one. Fatalf does not return.
type T interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Cleanup(func())
	Context() context.Context
}

// Place is one running registry as a case sees it. Every case gets a Place of
// its own that holds nothing yet: a fresh zone, path, prefix or set of
// namespaces. Places may share a server. Every Reader and Writer of a Place
// reads all of it and nothing of another Place.
//
// Methods that take a T act directly on the server, not by way of package
// registry, have taken effect when they return, and end the case by Fatalf if
// they fail. They are called from the case's own goroutine.
type Place interface {
	// Reader opens the registry for reading. The case closes it.
	Reader(t T) registry.Registry
	// Key returns a key that a native service and a mirror can stand under, the
	// same for the same arguments and different for different ones. Where the
	// registry has no namespaces, all of them may share one. A namespace that
	// has to exist is made here. Both arguments are short DNS labels.
	Key(t T, namespace, name string) catalog.Key
	// Register puts or replaces a native service, as the registry's own users
	// would. s has Key, Ports and Endpoints, each endpoint ID, Host (an IPv4
	// address), Ready (with Serving), and the same one port as s, TCP, named
	// "http". It costs no more than what Seen keeps of it.
	Register(t T, s *catalog.Service)
	// Unregister removes a native service.
	Unregister(t T, k catalog.Key)
	// Seen returns what a Reader must report of a service that was given to
	// Register, or nil if it must report nothing, without changing s. Of it
	// these facets are compared and no others: the key, and of each endpoint
	// the host, whether it is ready, and protocol and number of its ports.
	// A registry that keeps ready endpoints only drops the others here.
	Seen(s *catalog.Service) *catalog.Service
	// Malform puts a record that no Reader can make sense of beside the native
	// service k, which is registered already and must not suffer. It returns
	// the name under which Readers refuse the record (Feed.Refuse).
	Malform(t T, k catalog.Key) (record string)
	// Mend repairs or removes what Malform put.
	Mend(t T, record string)
}

// Ability is something that not every registry can do. A Place either has it
// or Run is told that it is lacking.
type Ability string

// The abilities.
const (
	// Writing: the registry has a Writer; the Place is a Writable.
	Writing Ability = "writing"
	// Cutting: the connection can be cut; the Place is a Linked.
	Cutting Ability = "cutting"
	// Moving: the address can lead to another registry; the Place is a Movable.
	Moving Ability = "moving"
	// Forgetting: a watch can be made to lose its place; the Place is a Forgetful.
	Forgetting Ability = "forgetting"
	// Namespaces: the registry has namespaces; the Place is a Namespaced.
	Namespaces Ability = "namespaces"
	// Sharing: a native service and mirrors of several owners stand under one
	// key. A registry without it answers ErrNotOwned to who comes second.
	Sharing Ability = "sharing"
	// Fencing: after another Writer of the owner bumped the fence, the server
	// refuses what this one writes. Refusing before the first Claim is owed by all.
	Fencing Ability = "fencing"
)

// Writable is a Place whose registry can be written to.
type Writable interface {
	Place
	// Writer opens the registry for owner. The case closes it.
	Writer(t T, owner string) registry.Writer
	// Tamper changes the mirror ref behind its owner's back, as a person with
	// the registry's own tool would, so that it no longer reads the same: an
	// endpoint's address or readiness, or one endpoint gone. The mark stays.
	Tamper(t T, ref catalog.Ref)
	// Erase removes the mirror ref, every record of it, behind its owner's back.
	Erase(t T, ref catalog.Ref)
	// Advance makes the mirror ref look written by a newer version of the
	// bridge: the format in its mark becomes catalog.MarkFormat + 1.
	Advance(t T, ref catalog.Ref)
	// Stamp returns a text that differs whenever any record of the Place,
	// fences included, was written in between, be it with the same content:
	// all record names with the server's own versions of them.
	Stamp(t T) string
}

// Linked is a Place whose Readers and Writers all go through one Link; what
// the Place does itself does not.
type Linked interface {
	Place
	Link() Link
}

// Link is the connection to a server, to be disturbed by a case. The proxy in
// package registrytest/proxy is one, for everything that speaks TCP. A case
// that disturbs it heals it before it ends.
type Link interface {
	// Cut breaks all connections and refuses new ones.
	Cut()
	// Stall keeps connections open, takes new ones, and lets nothing through
	// in either direction.
	Stall()
	// LoseAnswers lets every request through, throws its answer away, and
	// breaks the connection that the answer came on.
	LoseAnswers()
	// Heal lets everything through again. What was held by Stall may be lost
	// with its connection.
	Heal()
}

// Movable is a Place whose Link can lead to another registry of the same kind, as
// an address does that was given to another server. Readers and Writers notice at
// once what becomes of their connections, and nothing else.
type Movable interface {
	Linked
	// Away has the Link lead to another registry, in which nobody registered
	// anything.
	Away(t T)
	// Home has the Link lead to the Place's own registry again.
	Home(t T)
}

// Forgetful is a Place whose server can forget what happened, so that a watch
// cannot go on where it was and has to list again.
type Forgetful interface {
	Place
	// Forget keeps Readers from seeing what change does, runs it, makes the
	// server forget it (etcd compacts, Kubernetes answers 410, Consul's index
	// goes backwards), and lets the Readers go on.
	Forget(t T, change func())
}

// Namespaced is a Place whose registry has namespaces of its own.
type Namespaced interface {
	Place
	// AddNamespace makes a namespace and returns its name in the registry.
	AddNamespace(t T, name string) string
	// RemoveNamespace removes what AddNamespace returned.
	RemoveNamespace(t T, name string)
}
