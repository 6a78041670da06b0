package memory

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Ways are what servers of one kind do and others do not. The zero Ways is that of
// none of it.
type Ways struct {
	// Follows: each client reads from a server that follows the one which takes
	// writes, and may be behind it until it is asked to catch up. What a client wrote
	// its feed shows before what others wrote earlier.
	Follows bool
	// Unsure: nobody can tell a write that never arrived from one whose answer was
	// lost. After one, a client tries nothing more of its batch, and its next write
	// first has everything refused that is still on its way.
	Unsure bool
	// Anew: versions are of a record, and begin again where it was removed and made
	// anew. Writes compare no more than that.
	Anew bool
	// ReadyOnly: mirrors are made of ready endpoints, and are not there without any.
	ReadyOnly bool
	// Lull is how long a native that is gone is kept, since it may come back.
	Lull time.Duration
}

// NewServerOf returns an empty server that says it is id, and has ways.
func NewServerOf(id catalog.Identity, ways Ways) *Server {
	s := NewServer(id)
	s.ways = ways
	return s
}

// nextLocked is the version that a record has from now on.
func (s *Server) nextLocked(was *catalog.Service) string {
	switch {
	case !s.ways.Anew:
		return fmt.Sprint(s.version)
	case was == nil:
		return fmt.Sprintf("%d.0", s.version)
	}
	made, times, _ := strings.Cut(was.Version, ".")
	n, _ := strconv.Atoi(times) // it is one that was made here
	return fmt.Sprintf("%s.%d", made, n+1)
}

// comparesLocked is the part of a version that a write compares.
func (s *Server) comparesLocked(version string) string {
	if !s.ways.Anew {
		return version
	}
	_, times, _ := strings.Cut(version, ".")
	return times
}

// sync asks which registry it is that a Watch reads. A server that follows catches up
// with what was written until now.
func (c *client) sync(ctx context.Context) (catalog.Identity, error) {
	if _, err := c.reach(ctx, Request{Verb: Sync}); err != nil {
		return "", err
	}
	defer c.server.mu.Unlock()
	c.synced = true
	return c.server.headLocked().identity, nil
}

// olderLocked is what a list returns that a server answers which is behind. But for
// one that follows, the first list of a client asks for nothing older than all that
// was written.
func (c *client) olderLocked(l listing) (listing, error) {
	switch {
	case c.server.ways.Follows && !c.synced:
		return c.server.saved.older(l), nil
	case c.server.ways.Follows, c.seen.version == 0, c.seen.restored != l.restored:
		return l, nil
	}
	l = c.server.saved.older(l)
	if l.version < c.seen.version {
		return l, errBehind
	}
	return l, nil
}
