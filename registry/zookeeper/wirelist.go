package zookeeper

import (
	"encoding/binary"
	"fmt"
	"io"
)

const (
	maxChildren = 150_000     // entries of a list that is taken in
	maxList     = 32 << 20    // bytes of it
	largeList   = 1 << 20     // from which on there is one at a time
	longName    = 2 * maxPath // how much is taken in of a name: more than any node's path may have
)

// list lets through a list that has as many entries as it says. One that is too large is
// left out, and its place taken by an error that no server has for it. Of large ones there
// is one at a time.
func (w *wire) list(header []byte, n int) error {
	if n < 4+statBytes {
		return fmt.Errorf("%w: a list of %d bytes", errForeignFrame, n)
	}
	count, err := w.take(4)
	if err != nil {
		return err
	}
	c := number(count)
	switch {
	case c < 0 || int(c) > (n-4-statBytes)/4:
		return fmt.Errorf("%w: a list of %d in %d bytes", errForeignFrame, c, n)
	case c > maxChildren:
		return w.crowd(header, n-4)
	case n <= largeList:
		w.ready, w.plain = append(header, count...), n-4
		return nil
	}
	rest := &io.LimitedReader{R: w.in, N: int64(n - 4)}
	names, err := shortened(rest, int(c), n-4-statBytes)
	if err != nil {
		return err
	}
	if len(names) > maxList {
		return w.crowd(header, int(rest.N))
	}
	if len(names) > largeList {
		if err := w.room(); err != nil {
			return err
		}
	}
	w.ready = append(append(header, count...), names...)
	binary.BigEndian.PutUint32(w.ready, uint32(len(w.ready)-4))
	return nil
}

// crowd lets through an error in place of a list of which n bytes follow.
func (w *wire) crowd(header []byte, n int) error {
	binary.BigEndian.PutUint32(header, frameHeader)
	binary.BigEndian.PutUint32(header[16:], 1<<32+crowdCode)
	w.ready, w.skip = header, n
	return nil
}

// shortened returns the names of a list, and the state that follows them: of those that
// can be no service's as much as tells that. It ends early with what is too large.
func shortened(r io.Reader, count, room int) ([]byte, error) {
	var all []byte
	length := make([]byte, 4)
	for range count {
		if _, err := io.ReadFull(r, length); err != nil {
			return nil, err
		}
		size := int(number(length))
		if room -= 4 + size; size < 0 || room < 0 {
			return nil, fmt.Errorf("%w: a name of %d bytes", errForeignFrame, size)
		}
		kept := min(size, longName)
		all = binary.BigEndian.AppendUint32(all, uint32(kept))
		all = append(all, make([]byte, kept)...)
		if _, err := io.ReadFull(r, all[len(all)-kept:]); err != nil {
			return nil, err
		}
		if _, err := io.CopyN(io.Discard, r, int64(size-kept)); err != nil {
			return nil, err
		}
		if len(all) > maxList {
			return all, nil
		}
	}
	if room > 0 {
		return nil, fmt.Errorf("%w: a list of %d and %d bytes more", errForeignFrame, count, room)
	}
	all = append(all, make([]byte, statBytes)...)
	_, err := io.ReadFull(r, all[len(all)-statBytes:])
	return all, err
}

// crowdCode is the code of zk.ErrNothing.
const crowdCode = -117

var errCrowd = fmt.Errorf("more than %d nodes below it, or names of more than %d MiB", maxChildren, maxList>>20)

// large tells lists of which there is one at a time.
func large(names []string) bool {
	size := statBytes
	for _, name := range names {
		size += 4 + len(name)
	}
	return size > largeList
}
