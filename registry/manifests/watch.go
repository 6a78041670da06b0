package manifests

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const (
	settle    = 20 * time.Millisecond  // quiet time after which a change is read
	settleMax = 200 * time.Millisecond // a change that never gets quiet is read anyway
	reread    = 5 * time.Second        // in case that the file system tells nothing
)

// folder is a folder of manifests, opened.
type folder struct {
	path    string // absolute
	details registry.Details
	log     *slog.Logger
	refused map[string]bool // of whichever Watch is running
}

// Close has nothing to give up.
func (f *folder) Close() error { return nil }

// Watch keeps feed equal to what the folder holds. It returns an error if the
// folder cannot be read at first; later that is reported to the feed.
func (f *folder) Watch(ctx context.Context, feed *catalog.Feed) error {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch folder %q: %w", f.path, err)
	}
	defer func() { _ = events.Close() }()
	w := watcher{folder: f, feed: feed, events: events, files: map[string]*file{}}
	w.follow()
	if err := w.scan(); err != nil {
		return err
	}
	feed.Identify(identity(f.path))
	w.first()
	return w.run(ctx)
}

// watcher is one Watch.
type watcher struct {
	*folder
	feed    *catalog.Feed
	events  *fsnotify.Watcher
	at      os.FileInfo // the folder that events are of
	files   map[string]*file
	held    content // as it was reported
	lost    error   // why the folder cannot be read; nil if it can
	brokens map[string]error
}

// file is a manifest as it was when it could last be read.
type file struct {
	sum     [sha256.Size]byte
	records []record
}

// run reads the folder again whenever it may have changed.
func (w *watcher) run(ctx context.Context) error {
	again := time.NewTicker(reread)
	defer again.Stop()
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	defer quiet.Stop()
	var since time.Time // of the first change that is not read yet
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e, open := <-w.events.Events:
			if !open {
				return fmt.Errorf("watch folder %q: no more events", w.path)
			}
			if !w.concerns(e) {
				continue
			}
			if since.IsZero() {
				since = time.Now()
			}
			quiet.Reset(min(settle, max(0, settleMax-time.Since(since))))
			continue
		case <-w.events.Errors: // events were lost: read
		case <-quiet.C:
		case <-again.C:
		}
		since = time.Time{}
		w.update()
	}
}

// concerns tells the folder's events from its siblings'.
func (w *watcher) concerns(e fsnotify.Event) bool {
	return e.Name == w.path || filepath.Dir(e.Name) == w.path
}

// follow lets events come from the folder as it stands now, and from the one
// that it is in, which tells when it is replaced.
func (w *watcher) follow() {
	_ = w.events.Add(filepath.Dir(w.path)) // without it, rereading finds out
	at, err := os.Stat(w.path)
	if err != nil || w.at != nil && os.SameFile(at, w.at) {
		return
	}
	_ = w.events.Remove(w.path)
	if w.events.Add(w.path) == nil {
		w.at = at
	}
}

// update reads the folder and reports what changed.
func (w *watcher) update() {
	w.follow()
	err := w.scan()
	if err != nil {
		w.lost = err
		w.feed.Connected(err)
		return
	}
	if w.lost != nil {
		w.lost = nil
		w.feed.Connected(nil)
	}
	w.report()
}

// scan reads every manifest that changed. A file that cannot be read keeps
// what it held.
func (w *watcher) scan() error {
	entries, err := os.ReadDir(w.path)
	if err != nil {
		return fmt.Errorf("read folder %q: %w", w.path, cause(err))
	}
	w.brokens = map[string]error{}
	there := map[string]bool{}
	for _, e := range entries {
		if isManifest(e.Name()) {
			there[e.Name()] = w.read(e.Name())
		}
	}
	maps.DeleteFunc(w.files, func(name string, _ *file) bool { return !there[name] })
	return nil
}

func isManifest(name string) bool {
	ext := filepath.Ext(name)
	return !strings.HasPrefix(name, ".") && (ext == ".yaml" || ext == ".yml" || ext == ".json")
}

// read reads one file and reports whether it is there.
func (w *watcher) read(name string) bool {
	text, err := readFile(filepath.Join(w.path, name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errFolder) {
		return false
	}
	if err != nil {
		w.brokens[name] = err
		return true
	}
	was, sum := w.files[name], sha256.Sum256(text)
	if was != nil && was.sum == sum {
		return true
	}
	records, faults := parseFile(name, text)
	if len(text) == 0 && was != nil && len(was.records) > 0 {
		// A program that writes the file anew empties it first.
		faults = []fault{{1, errors.New("the file is empty")}}
	}
	for _, f := range faults {
		w.brokens[fmt.Sprintf("%s:%d", name, f.line)] = f.err
	}
	if len(faults) == 0 || was == nil {
		w.files[name] = &file{records: records}
	}
	if len(faults) == 0 {
		w.files[name].sum = sum // else it is read again, and its faults are found again
	}
	return true
}

var errFolder = errors.New("a folder")

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: that of a pipe may never return
	if err != nil {
		return nil, cause(err)
	}
	if info.IsDir() {
		return nil, errFolder
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	from, err := os.Open(path)
	if err != nil {
		return nil, cause(err)
	}
	defer func() { _ = from.Close() }()
	return readAll(from)
}

// cause returns what is wrong with a file without its path, which whoever
// reports it names.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// content assembles what all files hold now.
func (w *watcher) content() content {
	var all []record
	for _, name := range slices.Sorted(maps.Keys(w.files)) {
		all = append(all, w.files[name].records...)
	}
	c := assemble(all, w.details)
	maps.Copy(c.refused, w.brokens)
	return c
}

func (w *watcher) first() {
	w.held = w.content()
	w.feed.ReplaceNamespaces(w.held.namespaces)
	w.refuse(w.held.refused)
	w.feed.Partial(w.partial())
	w.feed.Replace(slices.Collect(maps.Values(w.held.services)))
}

// report tells the feed what differs from what it was told.
func (w *watcher) report() {
	was, is := w.held, w.content()
	w.held = is
	if !slices.Equal(was.namespaces, is.namespaces) {
		w.feed.ReplaceNamespaces(is.namespaces)
	}
	w.refuse(is.refused)
	w.feed.Partial(w.partial())
	var set []*catalog.Service
	var gone []catalog.Ref
	for ref, svc := range is.services {
		if old := was.services[ref]; old == nil || old.Version != svc.Version {
			set = append(set, svc)
		} else {
			is.services[ref] = old
		}
	}
	for ref := range was.services {
		if is.services[ref] == nil {
			gone = append(gone, ref)
		}
	}
	if len(set)+len(gone) > 0 {
		w.feed.Update(set, gone)
	}
}

// partial returns why the folder may hold more than was understood: a file that
// cannot be read or parsed hides what it holds.
func (w *watcher) partial() error {
	for _, name := range slices.Sorted(maps.Keys(w.brokens)) {
		return fmt.Errorf("%q cannot be read: %w", name, w.brokens[name])
	}
	return nil
}

// refuse reports what is wrong now, and that the rest is well again; it logs
// what is news.
func (w *watcher) refuse(now map[string]error) {
	for name := range w.refused {
		if now[name] == nil {
			w.feed.Refuse(name, nil)
			delete(w.refused, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		w.refused[name] = true
		if w.feed.Refuse(name, now[name]) {
			w.log.Warn("record left out", "record", catalog.Brief(name), "err", catalog.Brief(now[name].Error()))
		}
	}
}
