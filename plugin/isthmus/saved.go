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
//	isthmus snapshot 3            what it is, and the version of its format
//	2026-11-21T07:23:40Z          when it was written
//	(packed)                      what zones of a cluster are answered from and,
//	                              behind a mark, multicluster zones: the serial
//	                              and, of each origin that is known: name, words
//	                              of its stanza, identity, since when, namespaces,
//	                              pods, services and, behind a mark, its directory:
//	                              datacenter, nodes, services
//	(32 bytes)                    the SHA-256 of all before
//
// A change of the packed part, or of catalog.Packer, is a new version. Of version
// 2, which had neither what is imported nor directories, the rest is read.
const (
	magic         = "isthmus snapshot "
	saveFormat    = 3
	oldSaveFormat = 2
)

// saved is what such a file holds.
type saved struct {
	at      time.Time
	own     part
	imports part // of multicluster zones; empty if there were none
}

// part is what is saved of one view.
type part struct {
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

// writeSaved writes the file for what m shows now.
func writeSaved(w io.Writer, m viewed, now time.Time) error {
	sum := sha256.New()
	to := bufio.NewWriterSize(io.MultiWriter(w, sum), 64<<10)
	// An error of to is returned by its Flush.
	fmt.Fprintf(to, "%s%d\n%s\n", magic, saveFormat, now.UTC().Format(time.RFC3339))
	p := catalog.NewPacker(to)
	packView(p, m.own, now)
	if m.imports == nil {
		p.Number(none)
	} else {
		p.Number(more)
		packView(p, m.imports, now)
	}
	if err := errors.Join(p.Flush(), to.Flush()); err != nil {
		return err
	}
	_, err := w.Write(sum.Sum(nil))
	return err
}

func packView(p *catalog.Packer, v *view, now time.Time) {
	p.Number(uint64(v.serial.number))
	for _, st := range v.snap.Origins() {
		if st.Known() {
			p.Number(more)
			packOrigin(p, v, st, now)
		}
	}
	p.Number(none)
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
	packDirectory(p, v.snap.Directory(st.Origin))
}

func packDirectory(p *catalog.Packer, d catalog.Directory) {
	if !d.Lists() {
		p.Number(none)
		return
	}
	p.Number(more)
	p.Text(d.Datacenter())
	for n := range d.Nodes() {
		p.Number(more)
		p.Node(n)
	}
	p.Number(none)
	for s := range d.Services() {
		p.Number(more)
		p.Service(s)
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
	format, head, err := readHead(f)
	if err != nil {
		return nil, err
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
	return unpackSaved(bufio.NewReader(io.LimitReader(f, body)), format)
}

// readHead reads what the file begins with, and the format that it names.
func readHead(f io.Reader) (format int, head []byte, err error) {
	head = make([]byte, len(magic)+len("1\n"))
	switch _, err := io.ReadFull(f, head); {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return 0, nil, errNoSnapshot
	case err != nil:
		return 0, nil, err
	}
	for _, format := range []int{saveFormat, oldSaveFormat} {
		if string(head) == fmt.Sprintf("%s%d\n", magic, format) {
			return format, head, nil
		}
	}
	return 0, nil, errNoSnapshot
}

// unpackSaved reads what stands between head and checksum.
func unpackSaved(r *bufio.Reader, format int) (*saved, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read its time: %w", err)
	}
	at, err := time.Parse(time.RFC3339, line[:len(line)-1])
	if err != nil {
		return nil, fmt.Errorf("read its time: %w", err)
	}
	u := catalog.NewUnpacker(r)
	s := &saved{at: at, own: unpackPart(u, format)}
	if format > oldSaveFormat && u.Number() == more {
		s.imports = unpackPart(u, format)
	}
	return s, u.Err()
}

func unpackPart(u *catalog.Unpacker, format int) part {
	x := part{serial: uint32(u.Number())}
	for u.Number() == more {
		x.pasts = append(x.pasts, unpackOrigin(u, format))
	}
	return x
}

func unpackOrigin(u *catalog.Unpacker, format int) past {
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
	if format > oldSaveFormat && u.Number() == more {
		x.Listing = unpackDirectory(u)
	}
	return x
}

func unpackDirectory(u *catalog.Unpacker) *catalog.Listing {
	l := &catalog.Listing{Datacenter: u.Text()}
	for u.Number() == more {
		l.Nodes = append(l.Nodes, u.Node())
	}
	for u.Number() == more {
		l.Services = append(l.Services, u.Service())
	}
	return l
}
