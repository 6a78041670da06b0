package consul

import (
	"context"
	"time"
)

// spare keeps the reading of nodes that this process writes below a tenth of
// the time while it writes: they hold all that it mirrors, and what it writes
// showed at once, so that reading them after every few writes would only take
// the server's time from the next ones. The zero value spares nothing.
type spare struct {
	until time.Time // reading waits, if this process wrote since
	owed  bool      // something was not read
}

// due reports whether they are read now, with echos services written since
// this was last asked. The first of those has them wait, too: more may follow.
func (s *spare) due(now time.Time, echos int) bool {
	if echos > 0 && !s.owed && now.After(s.until) && !s.until.IsZero() {
		s.until = now.Add(minSpare)
	}
	s.owed = (s.owed || echos > 0) && now.Before(s.until)
	return !s.owed
}

// read takes note that they were read, or that some are left for the next time.
func (s *spare) read(begun, ended time.Time, left bool) {
	s.owed = left
	s.until = ended.Add(min(max(10*ended.Sub(begun), minSpare), maxSpare))
}

// end returns what sends when what is owed is due; nil if nothing is.
func (s *spare) end(now time.Time) <-chan time.Time {
	if !s.owed {
		return nil
	}
	return time.After(s.until.Sub(now))
}

// offer sends, unless there is no room.
func offer(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// ended says why a watch ends: its context, if that is over.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// sleep waits for d, unless ctx ends: then it says why.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
