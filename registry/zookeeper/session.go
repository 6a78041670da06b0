package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// session is one connection to one server, and the session that goes with it. It
// does not outlive the connection, though the library could have it so: what the
// library sets watches by again, with credentials or many of them, may be newer than
// what was read, so that changes are never told. Who lost a session opens another
// and reads everything.
//
// A request whose ctx ends before it is answered ends the session, since a server
// that does not answer one will not answer the next. Methods may be called from any
// goroutine.
type session struct {
	conn   *zk.Conn
	loop   <-chan zk.Event // closed once no goroutine of the library is left
	server string
	user   string          // who we say that we are; "": nobody
	over   context.Context // ends with the session; its cause is why
	end    context.CancelCauseFunc
	ready  chan struct{} // closed once the server gave a session
	gone   chan struct{} // closed once the library gave up the connection
	wake   chan struct{} // has room for one: changes were told
	large  chan struct{} // has room for one: a large list that was not taken yet

	mu      sync.Mutex // guards what follows
	said    string     // what the library said first that went wrong
	changes []change
	heavy   int // bytes that changes take
}

// change is what a watch told.
type change struct {
	kind zk.EventType
	path string
}

var (
	errLost   = errors.New("connection lost")
	errClosed = errors.New("session closed")
	errSlow   = errors.New("no answer in time")
	errFlood  = errors.New("it tells of more changes than can be taken in")
)

// maxHeavy is how many bytes the changes may take that were told and not taken in:
// those of as many nodes as are kept.
const maxHeavy = 128 << 20

// newSession begins a session over raw, which is closed once the session is over.
func newSession(server string, raw net.Conn, timeout time.Duration) (*session, error) {
	s := &session{server: server, ready: make(chan struct{}), gone: make(chan struct{}), wake: make(chan struct{}, 1), large: make(chan struct{}, 1)}
	s.over, s.end = context.WithCancelCause(context.Background())
	var err error
	s.conn, s.loop, err = zk.Connect([]string{server}, timeout,
		zk.WithHostProvider(&only{server: server, lost: s.gone}), zk.WithDialer(s.once(newWire(raw, s.broke, s.room))), zk.WithEventCallback(s.heard),
		zk.WithLogger(s), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxList+4096), zk.WithMaxConnBufferSize(maxRequest+4096))
	if err != nil {
		s.end(err)
		return nil, err
	}
	context.AfterFunc(s.over, func() { _ = raw.Close() })
	return s, nil
}

// once returns what gives out raw, and nothing else after.
func (s *session) once(raw net.Conn) zk.Dialer {
	given := false
	return func(string, string, time.Duration) (net.Conn, error) {
		if given {
			return nil, errLost
		}
		given = true
		return raw, nil
	}
}

// opened waits for the server to give a session, and tells it who we are.
func (s *session) opened(ctx context.Context, user []byte) error {
	select {
	case <-s.ready:
	case <-s.over.Done():
		return context.Cause(s.over)
	case <-ctx.Done():
		return fmt.Errorf("begin session: %w, as of what is no ZooKeeper", context.Cause(ctx))
	}
	if user == nil {
		return nil
	}
	name, _, _ := bytes.Cut(user, []byte(":"))
	s.user = string(name)
	if err := s.ask(ctx, func() error { return s.conn.AddAuth("digest", user) }); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	return nil
}

// close ends the session and waits until nothing of it is left. One that is not over
// yet the server is told of, so that it need not wait for the session's end.
func (s *session) close() {
	if s.over.Err() != nil {
		<-s.gone // else the library would wait for an answer to its farewell
	}
	s.conn.Close()
	s.end(errClosed)
	for range s.loop {
		continue // what is told there was told before
	}
}

// heard is called by the library for whatever happens, and must not wait.
func (s *session) heard(ev zk.Event) {
	switch {
	case ev.Type == zk.EventNotWatching:
	case ev.Type != zk.EventSession:
		if !s.keep(change{ev.Type, ev.Path}) {
			s.end(fmt.Errorf("server %q: %w", s.server, errFlood))
		}
		select {
		case s.wake <- struct{}{}:
		default:
		}
	case ev.State == zk.StateHasSession:
		close(s.ready)
	case ev.State == zk.StateDisconnected, ev.State == zk.StateExpired, ev.State == zk.StateAuthFailed:
		s.end(s.lost())
	}
}

// keep takes note of a change, as long as there is room for it.
func (s *session) keep(c change) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heavy += len(c.path) + 32; s.heavy > maxHeavy {
		return false
	}
	s.changes = append(s.changes, c)
	return true
}

// broke is called with why nothing more can be read. What no ZooKeeper says is told as
// it is; else the connection was lost.
func (s *session) broke(err error) {
	if !errors.Is(err, errForeignFrame) && !errors.Is(err, errEnded) {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	s.end(fmt.Errorf("server %q: %w", s.server, err))
}

// room waits until the last large list was taken.
func (s *session) room() error {
	select {
	case s.large <- struct{}{}:
		return nil
	case <-s.over.Done():
		return context.Cause(s.over)
	}
}

// taken is called once a list is no longer in use.
func (s *session) taken(names []string) {
	if large(names) {
		<-s.large
	}
}

// lost says that the connection was, and why as far as the library did.
func (s *session) lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said == "" {
		return fmt.Errorf("server %q: %w", s.server, errLost)
	}
	return fmt.Errorf("server %q: %w: %s", s.server, errLost, s.said)
}

// Printf is what the library logs by. No more than the first is kept.
func (s *session) Printf(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.said == "" {
		s.said = fmt.Sprintf(format, args...)
	}
}

// told returns the changes that watches told since it was last called.
func (s *session) told() []change {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.changes
	s.changes, s.heavy = nil, 0
	return all
}

// ask does one request. Why a session is over is why its requests fail.
func (s *session) ask(ctx context.Context, request func() error) error {
	if s.over.Err() != nil {
		return context.Cause(s.over)
	}
	stop := context.AfterFunc(ctx, func() { s.end(fmt.Errorf("server %q: %w", s.server, context.Cause(ctx))) })
	defer stop()
	err := request()
	switch {
	case err != nil && s.over.Err() != nil:
		return context.Cause(s.over)
	case errors.Is(err, zk.ErrConnectionClosed), errors.Is(err, zk.ErrNoServer), errors.Is(err, zk.ErrClosing):
		return s.lost()
	}
	return s.explain(err)
}

// explain is a server's error in words, and says who is not allowed to do something. A
// server takes any password: with a wrong one a user is another.
func (s *session) explain(err error) error {
	switch {
	case !errors.Is(err, zk.ErrNoAuth):
		return inWords(err)
	case s.user == "":
		return fmt.Errorf("not allowed without auth_file: %w", err)
	}
	return fmt.Errorf("not allowed to user %q with this password: %w", s.user, err)
}

// get reads a node, and sets a watch on it if asked for.
func (s *session) get(ctx context.Context, path string, watch bool) (data []byte, stat *zk.Stat, err error) {
	err = s.ask(ctx, func() (err error) {
		if watch {
			data, stat, _, err = s.conn.GetW(path)
		} else {
			data, stat, err = s.conn.Get(path)
		}
		return err
	})
	return data, stat, err
}

// children lists the names of a node's children, and sets a watch on that. The caller
// calls taken with them, until when there is no other large list.
func (s *session) children(ctx context.Context, path string) (names []string, stat *zk.Stat, err error) {
	err = s.ask(ctx, func() (err error) {
		if names, stat, _, err = s.conn.ChildrenW(path); errors.Is(err, zk.ErrNothing) {
			return errCrowd
		}
		return err
	})
	return names, stat, err
}

// exists tells whether a node is there, and sets a watch on that if asked for. The
// state of one that is not is nil.
func (s *session) exists(ctx context.Context, path string, watch bool) (stat *zk.Stat, err error) {
	err = s.ask(ctx, func() (err error) {
		var is bool
		if watch {
			is, stat, _, err = s.conn.ExistsW(path)
		} else {
			is, stat, err = s.conn.Exists(path)
		}
		if !is {
			stat = nil
		}
		return err
	})
	return stat, err
}

// sync has the server take over all that the ensemble agreed on until now.
func (s *session) sync(ctx context.Context) error {
	return s.ask(ctx, func() error {
		_, err := s.conn.Sync("/")
		return err
	})
}

// create makes a node that stays. One that is there is no error.
func (s *session) create(ctx context.Context, path string, data []byte, acl []zk.ACL) error {
	err := s.ask(ctx, func() error {
		_, err := s.conn.Create(path, data, zk.FlagPersistent, acl)
		return err
	})
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}
