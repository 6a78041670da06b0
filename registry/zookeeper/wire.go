package zookeeper

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// wire is a connection to what may be no ZooKeeper. The library believes lengths and
// counts: some would have it take gigabytes, others end the program. So what comes is
// looked at before the library sees it, and the first frame that no server sends is the
// end of the connection.
//
// One goroutine reads, and one writes a request with each Write, as the library does.
type wire struct {
	net.Conn
	in     *bufio.Reader // from it
	broken func(error)   // called with what is wrong, before Read returns it
	room   func() error  // waits until there may be a large list

	mu    sync.Mutex      // guards asked
	asked map[int32]int32 // operations that are not answered, by their number; nil until the first, which begins the session

	begun bool   // the server gave a session
	ready []byte // what was looked at, and not read yet
	plain int    // bytes that follow as they are
	skip  int    // then, bytes that are left out
	rest  int    // then, bytes that follow as they are
}

// The operations whose answers are looked at, as the protocol numbers them.
const (
	opGetData   = 4
	opGetACL    = 6
	opChildren  = 12
	opMulti     = 14
	opCreate    = 1
	opDelete    = 2
	opSetData   = 5
	opCheck     = 13
	opFailed    = -1
	xidChange   = -1 // of a frame that is no answer
	xidPing     = -2
	frameHeader = 16 // bytes: number, transaction, error
	statBytes   = 68
)

const (
	maxData   = 1 << 20                // bytes of a node's data that are: more than any that is used
	maxSmall  = 1 << 20                // bytes of any other answer
	maxFrame  = 1<<31 - 1              // bytes of what a ZooKeeper sends at once, were it told to
	leastBeat = 100 * time.Millisecond // of a session, as the server has it
)

var (
	errForeignFrame = errors.New("no answer of a ZooKeeper's")
	errEnded        = errors.New("it ended the connection before it gave a session, as one does that wants TLS, has no quorum or has too many connections")
)

func newWire(c net.Conn, broken func(error), room func() error) *wire {
	return &wire{Conn: c, in: bufio.NewReaderSize(c, 1<<16), broken: broken, room: room}
}

// Write takes note of what is asked.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	switch {
	case w.asked == nil:
		w.asked = map[int32]int32{}
	case len(p) >= 12:
		if xid := number(p[4:]); xid >= 0 {
			w.asked[xid] = number(p[8:])
		}
	}
	w.mu.Unlock()
	return w.Conn.Write(p)
}

// answers returns what a frame answers.
func (w *wire) answers(xid int32) (op int32, asked bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	op, asked = w.asked[xid]
	delete(w.asked, xid)
	return op, asked
}

// Read returns what was found in order.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.ready)+w.plain == 0 {
		if err := w.next(); err != nil {
			w.broken(err)
			return 0, err
		}
	}
	if len(w.ready) > 0 {
		n := copy(p, w.ready)
		w.ready = w.ready[n:]
		return n, nil
	}
	n, err := w.in.Read(p[:min(len(p), w.plain)])
	w.plain -= n
	return n, err
}

// next looks at what follows: the end of a frame, or another one's beginning.
func (w *wire) next() error {
	if w.skip+w.rest > 0 {
		if _, err := io.CopyN(io.Discard, w.in, int64(w.skip)); err != nil {
			return err
		}
		w.plain, w.skip, w.rest = w.rest, 0, 0
		return nil
	}
	length, err := w.take(4)
	switch {
	case err != nil && !w.begun && isEnd(err):
		return fmt.Errorf("%w: %w", errEnded, err)
	case err != nil:
		return err
	case !w.begun:
		return w.greeted(length)
	}
	n := int64(binary.BigEndian.Uint32(length))
	if n < frameHeader || n > maxFrame {
		return fmt.Errorf("%w: of %d bytes", errForeignFrame, n)
	}
	header, err := w.take(frameHeader)
	if err != nil {
		return err
	}
	return w.frame(append(length, header...), int(n)-frameHeader)
}

func isEnd(err error) bool {
	var failed net.Error
	return !errors.As(err, &failed) || !failed.Timeout()
}

// take reads so many bytes.
func (w *wire) take(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(w.in, b)
	return b, err
}

// The answer that begins a session: version, time-out, session, password, and of later
// servers whether it may only be read.
const (
	greeting     = 4 + 4 + 8 + 4 + 16
	greetingLong = greeting + 1
)

func (w *wire) greeted(length []byte) error {
	n := number(length)
	if n != greeting && n != greetingLong {
		return fmt.Errorf("%w: it begins with %q", errForeignFrame, length)
	}
	body, err := w.take(int(n))
	if err != nil {
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	beat, session := time.Duration(number(body[4:]))*time.Millisecond, binary.BigEndian.Uint64(body[8:])
	if number(body[16:]) != 16 || session != 0 && beat < leastBeat {
		return fmt.Errorf("%w: a session of %v", errForeignFrame, beat)
	}
	w.begun, w.ready = true, append(length, body...)
	return nil
}

// frame looks at one of which the header was read, and n bytes follow.
func (w *wire) frame(header []byte, n int) error {
	xid, failed := number(header[4:]), number(header[16:]) != 0
	op, asked := w.answers(xid)
	switch {
	case xid == xidChange:
		return w.change(header, n)
	case xid == xidPing, asked && failed:
		return w.pass(header, n, maxSmall)
	case !asked:
		return fmt.Errorf("%w: to what was not asked", errForeignFrame)
	}
	switch op {
	case opGetData:
		return w.data(header, n)
	case opChildren, opGetACL:
		return w.list(header, n)
	case opMulti:
		return w.multi(header, n)
	}
	return w.pass(header, n, maxSmall)
}

// pass lets a frame through.
func (w *wire) pass(header []byte, n, most int) error {
	if n > most {
		return fmt.Errorf("%w: of %d bytes", errForeignFrame, n)
	}
	w.ready, w.plain = header, n
	return nil
}

// change lets through what a watch tells, and nothing else that comes unasked.
func (w *wire) change(header []byte, n int) error {
	if n < 12 || n > 12+2*maxPath {
		return fmt.Errorf("%w: a change told by %d bytes", errForeignFrame, n)
	}
	body, err := w.take(n)
	if err != nil {
		return err
	}
	if kind := number(body); kind < 1 || kind > 4 {
		return nil
	}
	if length := number(body[8:]); length < 0 || int(length) > n-12 {
		return fmt.Errorf("%w: a path of %d bytes", errForeignFrame, length)
	}
	w.ready = append(header, body...)
	return nil
}

// data lets through as much of a node's data as anybody looks at, and its state.
func (w *wire) data(header []byte, n int) error {
	length, err := w.take(min(n, 4))
	if err != nil {
		return err
	}
	if n < 4+statBytes {
		return fmt.Errorf("%w: data of %d bytes", errForeignFrame, n)
	}
	size := number(length)
	if max(size, 0) != int32(n-4-statBytes) {
		return fmt.Errorf("%w: data of %d bytes in %d", errForeignFrame, size, n)
	}
	if w.plain = n - 4; size > maxData {
		w.plain, w.skip, w.rest = maxData, int(size)-maxData, statBytes
		binary.BigEndian.PutUint32(header, uint32(frameHeader+4+maxData+statBytes))
		binary.BigEndian.PutUint32(length, maxData)
	}
	w.ready = append(header, length...)
	return nil
}

// multi lets through what became of a transaction, once it is sure where it ends.
func (w *wire) multi(header []byte, n int) error {
	if n > 2*maxSmall {
		return fmt.Errorf("%w: of %d bytes", errForeignFrame, n)
	}
	body, err := w.take(n)
	if err != nil {
		return err
	}
	for at := 0; ; {
		size, last := outcome(body[at:])
		if size < 0 {
			return fmt.Errorf("%w: to a transaction", errForeignFrame)
		}
		if at += size; last {
			break
		}
	}
	w.ready = append(header, body...)
	return nil
}

// outcome returns how many bytes tell what became of one operation, or that there is
// no other one. It is negative if those are not there.
func outcome(b []byte) (size int, last bool) {
	size = 4 + 1 + 4 // operation, whether it is the last, error
	if len(b) < size {
		return -1, false
	}
	switch op := number(b); {
	case b[4] != 0:
		return size, true
	case op == opFailed:
		size += 4
	case op == opCreate && (len(b) < size+4 || number(b[size:]) < 0):
		return -1, false
	case op == opCreate:
		size += 4 + int(number(b[size:]))
	case op == opSetData:
		size += statBytes
	case op != opDelete && op != opCheck:
		return -1, false
	}
	if size > len(b) {
		return -1, false
	}
	return size, false
}

// number is how the protocol writes one.
func number(b []byte) int32 { return int32(binary.BigEndian.Uint32(b)) }
