package zookeeper

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Sharer = (*zookeeper)(nil)

// noPayload is the payload that readers of every class take.
const noPayload = "none"

var errWorld = errors.New("there is no auth_file, so everybody could change what is written; `acl world` allows that")

// Writer opens the registry for owner to write to, too.
func (c *config) Writer(owner string, log *slog.Logger) (registry.Writer, error) {
	switch {
	case c.format != curator:
		return nil, fmt.Errorf("write to %s in the format %q: %w", c.Origin(), c.format, errors.ErrUnsupported)
	case c.acl() == nil:
		return nil, fmt.Errorf("write to %s: %w", c.Origin(), errWorld)
	}
	if err := checkOwner(owner); err != nil {
		return nil, fmt.Errorf("zookeeper: owner: %w", err)
	}
	return c.open(owner, log)
}

// writes has a layout know how mirrors of owner are written.
func (c *config) writes(l layout, owner string) layout {
	l.owner, l.dynamic, l.live = owner, c.dynamic, new(atomic.Int64)
	if c.payload != noPayload {
		l.payload = c.payload
	}
	return l
}

// Beside says why ours cannot stand beside theirs: who asks for a service by the one
// name does not find what stands at the other, and clients of Dubbo's find none of a
// service where one is not of its class.
func (z *zookeeper) Beside(_, theirs *catalog.Service) error {
	if theirs.Mark != nil {
		return nil
	}
	if path := theirs.Meta[metaPath]; path != "" {
		return fmt.Errorf("its instances stand at %q, where nobody who asks for %q looks", path, theirs.Name)
	}
	for i := range theirs.Endpoints {
		if ofDubbo(&theirs.Endpoints[i]) {
			return fmt.Errorf("its instance %q is Dubbo's, whose clients fail where there is another", theirs.Endpoints[i].ID)
		}
	}
	return nil
}

// ofDubbo reports whether an endpoint is a native instance that Dubbo registered.
func ofDubbo(e *catalog.Endpoint) bool {
	for name := range e.Meta {
		if strings.HasPrefix(name, "dubbo.") {
			return true
		}
	}
	return false
}
