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

// saver writes the newest views into its file.
type saver struct {
	saving
	views   *views
	imports *views // of multicluster zones; nil if there are none
	log     *slog.Logger
	wrong   bool // the last write failed, which was said
}

// viewed is what a block answers from at one moment.
type viewed struct{ own, imports *view } // imports: nil if there are none

func (s *saver) newest() viewed {
	m := viewed{own: s.views.newest.Load()}
	if s.imports != nil {
		m.imports = s.imports.newest.Load()
	}
	return m
}

// newer are closed when one of the views is not the newest any more.
func (m viewed) newer() (own, imports <-chan struct{}) {
	if m.imports == nil {
		return m.own.newer, nil
	}
	return m.own.newer, m.imports.newer
}

// isNews reports whether anything in it is newer than the file.
func (m viewed) isNews() bool {
	return m.own.origins(isSynced) > 0 || m.imports != nil && m.imports.origins(isSynced) > 0
}

// keep writes the file whenever something changed, not more often than every
// saveEvery and not for more than a small part of the time, until ctx ends. It
// writes now and then without a change, because the file tells since when it
// is not known any more whether it is true.
func (s *saver) keep(ctx context.Context) {
	pause := saveEvery
	for wait(ctx, nil, pause) {
		began, m := time.Now(), s.newest()
		s.save(m)
		pause = max(saveEvery, saveShare*time.Since(began))
		own, imports := m.newer()
		if !waitForOne(ctx, own, imports, max(s.maxAge/refreshes, saveEvery)) {
			return
		}
	}
}

// save writes m, unless there is nothing in it that is newer than the file.
func (s *saver) save(m viewed) {
	if !m.isNews() {
		return
	}
	err := s.write(m)
	switch {
	case err != nil && !s.wrong:
		s.log.Error("snapshot is not written", "file", s.file, "error", err)
	case err == nil && s.wrong:
		s.log.Info("snapshot is written again", "file", s.file)
	}
	s.wrong = err != nil
}

// write puts a new file in the old one's place, whole or not at all, and on
// the disk when it returns.
func (s *saver) write(m viewed) error {
	folder := filepath.Dir(s.file)
	f, err := os.CreateTemp(folder, temporary(s.file)) // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // no longer there if all went well
	if err := errors.Join(writeSaved(f, m, time.Now()), f.Sync(), f.Close()); err != nil {
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
// them. It returns the file, or nil if none is used.
func (p *process) recall(now time.Time) *saved {
	if p.saver == nil || p.known() {
		return nil
	}
	file := p.saver.load()
	if file == nil {
		return nil
	}
	p.recallFrom(file.own, now)
	if p.imports != nil {
		p.imports.recallFrom(file.imports, now)
	}
	return file
}

// known reports whether it is known what every origin holds, and imports.
func (p *process) known() bool {
	return p.catalog.Snapshot().Known() && (p.imports == nil || p.imports.known())
}

func (p *process) recallFrom(file part, now time.Time) {
	for _, x := range file.pasts {
		switch age := now.Sub(x.At); {
		case p.catalog.Snapshot().State(x.Origin).Known(): // by a watch that runs already
		case p.conf.stanzas[x.Origin].Words == nil || x.key != p.conf.words(x.Origin):
			p.log.Info("snapshot of another registry is not used", "origin", x.Origin)
		case age > p.conf.saving.maxAge:
			p.log.Warn("snapshot is too old to be used", "origin", x.Origin, "known", x.At.UTC(), "limit", p.conf.saving.maxAge)
		case p.catalog.Feed(x.Origin).Recall(x.Past):
			p.log.Info("snapshot is used until the origin is read", "origin", x.Origin, "known", x.At.UTC(), "services", len(x.Services))
		}
	}
}

// finish writes the file a last time, when the server ends for good.
func (p *process) finish() error {
	if p.saver != nil {
		p.saver.save(p.saver.newest())
	}
	return nil
}
