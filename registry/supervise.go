package registry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/isthmus-dns/isthmus/catalog"
)

// How long the supervisor waits before it watches again: from shortest, each
// time half as long again, to longest. While nothing at all is heard it is away
// at most, so that a registry which comes up is found within that time. A Watch
// lasted if the origin could be read for that long in it.
const (
	shortest = 100 * time.Millisecond
	longest  = 10 * time.Second
	away     = 3 * time.Second
	lasting  = 10 * time.Second
	quiet    = time.Minute // between two reasons of one outage in the log
	look     = time.Second // between looks at catalogs that joined the feed
)

// Supervise keeps r watched: it calls Watch again and again until ctx ends,
// which is the only way it returns. After a Watch that lasted, and after the
// first since then that reported anything at all, it begins with the shortest
// pause again; so where lists work and watches do not, lists become rare. It
// tells the feed while the origin cannot be read, and the log once a change of
// state: a warning when that begins, and at most once a minute when there is
// another reason, and a line when it can be read again.
func Supervise(ctx context.Context, r Registry, feed *catalog.Feed, log *slog.Logger) {
	s := supervisor{feed: feed, log: log.With("origin", feed.Origin()), pause: newPause(), said: map[string]bool{}}
	for ctx.Err() == nil {
		heard, began := feed.State().News, time.Now()
		watching, again := context.WithCancelCause(ctx)
		noticed := s.notice(ctx, again)
		err := r.Watch(watching, feed)
		noticed()
		again(nil)
		if ctx.Err() != nil {
			return
		}
		if context.Cause(watching) == errHollow {
			log.Info("origin is read again", "origin", feed.Origin(), "why", errHollow)
			_ = Pause(ctx, s.pause.NextBackOff()) // the loop looks at ctx
			continue
		}
		most := away
		if st := feed.State(); st.News.After(heard) {
			s.worked(lasted(st, began))
			most = longest + longest/2 // which the pause may reach by chance
		}
		s.lost(err)
		_ = Pause(ctx, min(s.pause.NextBackOff(), most)) // as above
	}
}

// errHollow ends a Watch, so that the next one begins with everything.
var errHollow = errors.New("what was left out of mirrors is needed")

type supervisor struct {
	feed  *catalog.Feed
	log   *slog.Logger
	pause *backoff.ExponentialBackOff
	said  map[string]bool // what was said of the outage that lasts; empty while there is none
	at    time.Time       // when something was last said of it
	brief bool            // a Watch reported something since one lasted
}

func newPause() *backoff.ExponentialBackOff {
	p := backoff.NewExponentialBackOff()
	p.InitialInterval, p.MaxInterval = shortest, longest
	p.Reset()
	return p
}

// worked takes note of a Watch that reported something and of how long it did.
func (s *supervisor) worked(d time.Duration) {
	if d >= lasting || !s.brief {
		s.pause.Reset()
	}
	s.brief = d < lasting
}

// lasted is how long the origin could be read in a Watch that ended now, or how
// long the Watch was if it said itself that it no longer could.
func lasted(st catalog.State, began time.Time) time.Duration {
	if st.Connected && st.Since.After(began) {
		began = st.Since
	}
	return time.Since(began)
}

func (s *supervisor) lost(err error) {
	s.feed.Connected(err)
	s.warn(err)
}

// warn says why the origin cannot be read: once for each reason of an outage,
// and, as some reasons hold a port or a time, not more than one in a while.
func (s *supervisor) warn(err error) {
	why := catalog.Brief(err.Error())
	if s.said[why] || len(s.said) > 0 && time.Since(s.at) < quiet {
		return
	}
	what := "origin lost, what it last reported stands"
	if !s.feed.State().Synced {
		what = "origin cannot be read yet, and is tried again"
	}
	s.log.Warn(what, "error", why)
	s.said[why] = true
	s.at = time.Now()
}

// notice watches the feed's state during one Watch and says when it changes:
// back after it was lost, or lost while the registry itself goes on trying. It
// calls again once the catalog wants to have everything anew. The returned
// function ends that and waits for it.
func (s *supervisor) notice(ctx context.Context, again context.CancelCauseFunc) (done func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	hollow := s.feed.Hollow() // then this Watch is what ends it
	go func() {
		defer close(ended)
		tick := time.NewTicker(look)
		defer tick.Stop()
		for ctx.Err() == nil {
			changed := s.feed.Changed()
			s.say(s.feed.State())
			is := s.feed.Hollow()
			if is && !hollow {
				again(errHollow)
			}
			hollow = is
			select {
			case <-ctx.Done():
			case <-changed:
			case <-tick.C:
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func (s *supervisor) say(st catalog.State) {
	switch {
	case st.Connected && len(s.said) > 0:
		s.log.Info("origin can be read", "services", st.Services)
		clear(s.said)
	case st.Err != nil:
		s.warn(st.Err)
	}
}

// Pause waits for d. It returns ctx's error if ctx ends before.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
