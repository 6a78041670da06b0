package registry

import (
	"context"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Notice is something that those who registered a service should know. It
// repeats nothing by itself: whoever sends one does so when it begins to hold.
type Notice struct {
	Key    catalog.Key // of the service, as the registry reported it
	Reason Reason
	Text   string // for people, in one line, without what changes all the time
}

// Reason is the kind of a notice, in one word that people search for.
type Reason string

// The reasons that there are.
const (
	NameTaken     Reason = "NameTaken"     // the name of its mirror is somebody else's, or somebody wants its name
	RecordRefused Reason = "RecordRefused" // the target cannot hold a mirror of it
	DeletionHeld  Reason = "DeletionHeld"  // its mirror, or it, is kept until people approve
)

// Teller is a Registry in which notices can be left where the users of a service
// look, as Events are in Kubernetes.
type Teller interface {
	Registry
	// Tell leaves notices until ctx ends, and then returns with no goroutine
	// left. It bounds by itself how much it writes, also for one service, and
	// leaves out notices beyond that, those of services that are not there, and
	// those that fail: nothing depends on one.
	Tell(ctx context.Context, notices <-chan Notice)
}
