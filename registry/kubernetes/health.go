package kubernetes

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/isthmus-dns/isthmus/catalog"
)

// health gathers whether each of the watches can be read, and tells the feed
// what they make together: connected, or why not.
type health struct {
	feed *catalog.Feed

	mu   sync.Mutex // guards what follows
	errs map[string]error
}

func newHealth(feed *catalog.Feed) *health {
	return &health{feed: feed, errs: map[string]error{}}
}

// set notes how a watch is doing.
func (h *health) set(watch string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := len(h.errs)
	if err == nil {
		delete(h.errs, watch)
	} else {
		h.errs[watch] = err
	}
	if was+len(h.errs) > 0 {
		h.feed.Connected(h.errLocked())
	}
}

// tell repeats what is wrong after a report, which by itself says that the
// registry could be read.
func (h *health) tell() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.errs) > 0 {
		h.feed.Connected(h.errLocked())
	}
}

// errLocked returns the first of the errors that say different things, in the
// order of the watches' names: an API server that is down fails them all.
func (h *health) errLocked() error {
	var all []error
	seen := map[string]bool{}
	for _, watch := range slices.Sorted(maps.Keys(h.errs)) {
		if text := h.errs[watch].Error(); !seen[text] {
			seen[text] = true
			all = append(all, h.errs[watch])
		}
	}
	return errors.Join(all...)
}
