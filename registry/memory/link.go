package memory

import "errors"

// state is what the connection does to requests.
type state int

const (
	through state = iota
	cut
	stalled
	deaf
	astray
)

var (
	errCut   = errors.New("connection is cut")
	errOther = errors.New("another registry, list again")
)

// Link is the connection between a Server and its Readers and Writers, all of
// them together.
type Link struct{ server *Server }

// Link returns the server's connection, to be disturbed.
func (s *Server) Link() Link { return Link{s} }

// Cut lets requests fail before they reach the server, and ends watches.
func (l Link) Cut() { l.turn(cut) }

// Stall holds requests and reports back.
func (l Link) Stall() { l.turn(stalled) }

// LoseAnswers lets writes happen and their answers be lost, and ends watches.
func (l Link) LoseAnswers() { l.turn(deaf) }

// Mislead has another registry answer, an empty one which takes no claims, and ends
// watches.
func (l Link) Mislead() { l.turn(astray) }

// Heal lets everything through again.
func (l Link) Heal() { l.turn(through) }

func (l Link) turn(to state) {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.server.link = to
	l.server.wakeLocked()
}
