package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Registry is one place where services are registered, opened for reading.
// Its methods may be called from any goroutine, but only one Watch may run at
// a time.
type Registry interface {
	// Watch keeps feed equal to what the registry holds until ctx ends or it
	// loses track, and then returns why; it never returns nil. Its first
	// reports are Identify and, where the registry has namespaces,
	// ReplaceNamespaces; then a Replace. It reports nothing it is unsure of:
	// while the registry cannot be read, the last report stands. It may be
	// called again after it returned and starts with a new Replace then.
	// When it returns, no goroutine of it is left and feed is not used again.
	Watch(ctx context.Context, feed *catalog.Feed) error
	// Close gives up connections and files. It is called once, after the last
	// Watch and the last write returned.
	Close() error
}

// Writer is a registry that an owner may write mirrors to.
//
// Every write is conditional: on the Version of each service, as it was
// reported (empty: nothing of ours is there under that Ref), and on the
// owner's fence as this Writer last claimed it. Where the registry has
// transactions both are compared by the server within the write; what cannot
// be held that way is said in the registry's package comment. Of a service that
// stands as several records, each that a write touches is compared; those that
// stay as they are need not be, for nothing of a stranger's is overwritten there.
type Writer interface {
	Registry
	// Canon returns s as it would read back after a Put: what the registry
	// cannot express is left out, what it would fill in is not there. Origin
	// and Version are not meant. nil, nil: the registry rightly holds s as
	// absence (no ready endpoint where only ready ones are kept). An error: it
	// cannot be held, and why. Canon is pure, keeps s as it is, and
	// Canon(Canon(s)) is the same as Canon(s).
	Canon(s *catalog.Service) (*catalog.Service, error)
	// Claim makes this Writer the one that may write for its owner, by the
	// owner's fence in the registry. It returns ErrForeignFence if the fence
	// there names none of f's sources. Sources of f that the fence lacks are
	// added and none is taken away, since one that is down at start has no
	// identity yet; a fence that names them all already is left untouched
	// unless bump is set, so that a restart writes nothing. Claim may be called
	// again, with more sources; without bump it returns ErrFenced if a newer
	// writer moved the fence since this one claimed it: to learn of a source is
	// no reason to take over. Put and Delete before the first return ErrFenced.
	// Claim fails where another registry answers than the one that was read last.
	Claim(ctx context.Context, f Fence, bump bool) error
	// Put writes services, all with a Mark of this Writer's owner, and Delete
	// removes them. Both return one Result per service, in order, after
	// everything was tried or ctx ended. While a Watch runs, its feed shows
	// what was written before Put or Delete returns, and no older report
	// overrides it. A service larger than one transaction adds first and
	// removes last; a bad one is refused alone.
	Put(ctx context.Context, all []*catalog.Service) []Result
	Delete(ctx context.Context, all []*catalog.Service) []Result
}

// NamespaceCreator is a Writer of a registry that has namespaces and can make
// one.
type NamespaceCreator interface {
	Writer
	// CreateNamespace makes a namespace for mirrors, under the fence as Put is.
	// One that is there already is no error. It is never taken away again.
	CreateNamespace(ctx context.Context, name string) error
}

// Reducer is a Writer whose registry has limits that take something away which
// users of a service would miss.
type Reducer interface {
	Writer
	// Reduced says what of s, which Canon takes, is left out of it because of
	// such a limit; nil if nothing is. It is pure.
	Reduced(s *catalog.Service) error
}

// Sharer is a Writer of a registry where services of several owners can stand
// under one key, each of records of its own, and are all found by its users.
type Sharer interface {
	Writer
	// Beside says why ours, which Canon made, cannot be put beside theirs, a
	// native or another owner's mirror as it was reported under the same key; nil
	// if it can, and neither takes anything from the other. An alias is never
	// asked about: it stands alone. It is pure.
	Beside(ours, theirs *catalog.Service) error
}

// Fence is one record per owner in each target: which registries the owner's
// mirrors are copies of. The epoch beside it is the registry's to keep; a new
// leader bumps it, so that a deposed one's late write is refused by the target.
type Fence struct {
	Owner   string
	Sources []catalog.Identity // sorted, none empty
}

// Result is what became of one service of a Put or Delete.
type Result struct {
	Ref     catalog.Ref
	Version string // after a Put without error: the new version
	Err     error
}

// Errors that callers branch on. They are wrapped with what was being done.
var (
	// ErrConflict: the record changed since it was read. Read and plan again.
	ErrConflict = errors.New("changed since it was read")
	// ErrNotOwned: what stands there is not this owner's to write, or its mark
	// has a newer format than this version knows.
	ErrNotOwned = errors.New("not owned")
	// ErrFenced: the owner's fence was moved by a newer writer, or was never
	// claimed. Nothing more may be written until a new Claim.
	ErrFenced = errors.New("fenced off")
	// ErrNoFence: the owner's fence is gone, so nobody took over; wraps
	// ErrFenced. A new Claim without bump makes it anew.
	ErrNoFence = fmt.Errorf("%w: the fence is gone", ErrFenced)
	// ErrForeignFence: the fence of this owner names other sources, so another
	// bridge uses the same owner name.
	ErrForeignFence = errors.New("owner name is in use for other sources")
	// ErrUnknownOutcome: the write may or may not have happened; the next
	// report tells. Never counts as done.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrInvalid: this registry cannot hold the service, and no retry helps.
	ErrInvalid = errors.New("cannot be held")
)
