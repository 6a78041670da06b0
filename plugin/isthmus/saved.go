package isthmus

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// The file of a snapshot, for a start at which registries cannot be read:
//
//	isthmus snapshot 1            what it is, and the version of its format
//	2026-11-21T07:23:40Z          when it was written
//	(packed)                      the serial and, of each origin that is known:
//	                              name, words of its stanza, identity, since when,
//	                              namespaces, pods, services
//	(32 bytes)                    the SHA-256 of all before
//
// A change of the packed part, or of catalog.Packer, is a new version.
const (
	magic      = "isthmus snapshot "
	saveFormat = "2"
)

// saved is what such a file holds.
type saved struct {
	at     time.Time
	serial uint32
	pasts  []past
}

// past is what is saved of one origin.
type past struct {
	catalog.Past
	key fingerprint // of the words of its stanza
}

// Marks in the packed part.
const (
	none = iota
	more
)

// writeSaved writes the file for what v shows now.
func writeSaved(w io.Writer, v *view, now time.Time) error {
	sum := sha256.New()
	to := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	// An error of to is returned by its Flush.
	fmt.Fprintf(to, "%s%s\n%s\n", magic, saveFormat, now.UTC().Format(time.RFC3339))
	p := catalog.NewPacker(to)
	p.Number(uint64(v.serial.number))
	for _, st := range v.snap.Origins() {
		if st.Known() {
			p.Number(more)
			packOrigin(p, v, st, now)
		}
	}
	p.Number(none)
	if err := errors.Join(p.Flush(), to.Flush()); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

func packOrigin(p *catalog.Packer, v *view, st catalog.State, now time.Time) {
	key := v.conf.words(st.Origin)
	p.Text(string(st.Origin))
	p.Text(string(key[:]))
	p.Text(string(st.Identity))
	p.Number(uint64(lastKnown(st, now).Unix()))
	for ns := range v.snap.Namespaces(st.Origin) {
		p.Number(more)
		p.Text(ns)
	}
	p.Number(none)
	for x := range v.snap.PodsFrom(st.Origin) {
		p.Number(more)
		p.Pod(x)
	}
	p.Number(none)
	for s := range v.snap.From(st.Origin) {
		if !s.Bare { // which answers nothing
			p.Number(more)
			p.Service(s)
		}
	}
	p.Number(none)
}

// lastKnown is when what an origin holds was last known to be true.
func lastKnown(st catalog.State, now time.Time) time.Time {
	switch {
	case !st.Stale.IsZero():
		return st.Stale
	case st.Connected:
		return now
	}
	return st.News
}

// Why a file is not used.
var (
	errNoSnapshot = errors.New("not a snapshot of this format")
	errDamaged    = errors.New("damaged: its checksum is wrong")
)

// readSaved reads a file of this size. Nothing of it is believed before its
// checksum was found right.
func readSaved(f io.ReadSeeker, size int64) (*saved, error) {
	head := []byte(magic + saveFormat + "\n")
	if size < int64(len(head)) {
		return nil, errNoSnapshot
	}
	begins := make([]byte, len(head))
	if _, err := io.ReadFull(f, begins); err != nil || !bytes.Equal(begins, head) {
		return nil, errors.Join(errNoSnapshot, err)
	}
	body := size - int64(len(head)) - sha256.Size
	if body < 0 {
		return nil, errDamaged
	}
	sum := sha256.New()
	sum.Write(head)
	if _, err := io.CopyN(sum, f, body); err != nil {
		return nil, err
	}
	want := make([]byte, sha256.Size)
	if _, err := io.ReadFull(f, want); err != nil {
		return nil, err
	}
	if !bytes.Equal(want, sum.Sum(nil)) {
		return nil, errDamaged
	}
	if _, err := f.Seek(int64(len(head)), io.SeekStart); err != nil {
		return nil, err
	}
	return unpackSaved(bufio.NewReader(io.LimitReader(f, body)))
}

func unpackSaved(r *bufio.Reader) (*saved, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read its time: %w", err)
	}
	at, err := time.Parse(time.RFC3339, line[:len(line)-1])
	if err != nil {
		return nil, fmt.Errorf("read its time: %w", err)
	}
	u := catalog.NewUnpacker(r)
	s := &saved{at: at, serial: uint32(u.Number())}
	for u.Number() == more {
		s.pasts = append(s.pasts, unpackOrigin(u))
	}
	return s, u.Err()
}

func unpackOrigin(u *catalog.Unpacker) past {
	var x past
	x.Origin = catalog.Origin(u.Text())
	copy(x.key[:], u.Text())
	x.Identity = catalog.Identity(u.Text())
	x.At = time.Unix(int64(u.Number()), 0)
	for u.Number() == more {
		x.Namespaces = append(x.Namespaces, u.Text())
	}
	for u.Number() == more {
		x.Pods = append(x.Pods, u.Pod())
	}
	for u.Number() == more {
		x.Services = append(x.Services, catalog.Pack(u.Service()))
	}
	return x
}
