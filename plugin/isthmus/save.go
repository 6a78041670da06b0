package isthmus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// saving says where the last known catalog is kept for the next start.
type saving struct {
	file   string        // "": nowhere
	maxAge time.Duration // what was last known longer ago is not used
}

const (
	defaultMaxAge = 24 * time.Hour
	saveEvery     = 10 * time.Second // the least time between two writes
	saveShare     = 50               // writing takes one part of so many of the time
	refreshes     = 8                // writes without a change within maxAge
	maxLeftover   = time.Hour        // temporary files this old are nobody's
)

func setSnapshot(c *config, s stanza.Stanza) error {
	c.saving = saving{file: filepath.Clean(s.Args()[0]), maxAge: defaultMaxAge}
	if len(s.Args()) < 2 {
		return nil
	}
	d, err := time.ParseDuration(s.Args()[1])
	if err != nil || d <= 0 {
		return s.Errorf("snapshot: %q is not an age such as 24h", s.Args()[1])
	}
	c.saving.maxAge = d
	return nil
}

// saver writes the newest view into its file.
type saver struct {
	saving
	views *views
	log   *slog.Logger
	wrong bool // the last write failed, which was said
}

// keep writes the file whenever something changed, not more often than every
// saveEvery and not for more than a small part of the time, until ctx ends. It
// writes now and then without a change, because the file tells since when it
// is not known any more whether it is true.
func (s *saver) keep(ctx context.Context) {
	pause := saveEvery
	for wait(ctx, nil, pause) {
		began, v := time.Now(), s.views.newest.Load()
		s.save(v)
		pause = max(saveEvery, saveShare*time.Since(began))
		if !wait(ctx, v.newer, max(s.maxAge/refreshes, saveEvery)) {
			return
		}
	}
}

// save writes v, unless there is nothing in it that is newer than the file.
func (s *saver) save(v *view) {
	if !anySynced(v.snap) {
		return
	}
	err := s.write(v)
	switch {
	case err != nil && !s.wrong:
		s.log.Error("snapshot is not written", "file", s.file, "error", err)
	case err == nil && s.wrong:
		s.log.Info("snapshot is written again", "file", s.file)
	}
	s.wrong = err != nil
}

func anySynced(snap *catalog.Snapshot) bool {
	for _, st := range snap.Origins() {
		if st.Synced {
			return true
		}
	}
	return false
}

// write puts a new file in the old one's place, whole or not at all, and on
// the disk when it returns.
func (s *saver) write(v *view) error {
	folder := filepath.Dir(s.file)
	f, err := os.CreateTemp(folder, temporary(s.file)) // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // no longer there if all went well
	if err := errors.Join(writeSaved(f, v, time.Now()), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), s.file); err != nil {
		return err
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// temporary is the pattern of the names of what is being written.
func temporary(file string) string { return "." + filepath.Base(file) + ".*.tmp" }

// load reads the file. A file that cannot be used is said and left alone; nil
// is returned for it, and for one that is not there.
func (s *saver) load() *saved {
	s.cleanUp()
	f, err := os.Open(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer f.Close()
		var got *saved
		if got, err = s.read(f); err == nil {
			return got
		}
	}
	s.log.Error("snapshot is not used", "file", s.file, "error", err)
	return nil
}

func (s *saver) read(f *os.File) (*saved, error) {
	at, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !at.Mode().IsRegular():
		return nil, errors.New("not a file")
	case at.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("everybody may write to it: its mode is %v", at.Mode().Perm())
	}
	return readSaved(f, at.Size())
}

// cleanUp removes what processes left that were killed while they wrote.
func (s *saver) cleanUp() {
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(s.file), temporary(s.file)))
	for _, name := range left {
		if at, err := os.Stat(name); err == nil && time.Since(at.ModTime()) > maxLeftover {
			_ = os.Remove(name)
		}
	}
}

// recall lets the origins that were not read yet hold what the file says of
// them. It returns the serial of the file, 0 if there is none.
func (p *process) recall(now time.Time) uint32 {
	if p.saver == nil || p.catalog.Snapshot().Known() {
		return 0
	}
	file := p.saver.load()
	if file == nil {
		return 0
	}
	for _, x := range file.pasts {
		switch age := now.Sub(x.At); {
		case p.conf.stanzas[x.Origin].Words == nil || x.key != p.conf.words(x.Origin):
			p.log.Info("snapshot of another registry is not used", "origin", x.Origin)
		case age > p.conf.saving.maxAge:
			p.log.Warn("snapshot is too old to be used", "origin", x.Origin, "known", x.At.UTC(), "limit", p.conf.saving.maxAge)
		case p.catalog.Feed(x.Origin).Recall(x.Past):
			p.log.Info("snapshot is used until the origin is read", "origin", x.Origin, "known", x.At.UTC(), "services", len(x.Services))
		}
	}
	return file.serial
}

// finish writes the file a last time, when the server ends for good.
func (p *process) finish() error {
	if p.saver != nil {
		p.saver.save(p.views.newest.Load())
	}
	return nil
}
