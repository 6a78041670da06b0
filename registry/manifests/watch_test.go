package manifests

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

const origin catalog.Origin = "manifests/test"

// watched is a folder with a Watch on it, which ends with the test.
type watched struct {
	t       *testing.T
	folder  string
	catalog *catalog.Catalog
}

func watch(t *testing.T, folder string) *watched {
	t.Helper()
	c := open(t, folder)
	reader, err := c.Reader(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{t: t, folder: folder, catalog: catalog.New(catalog.Policy{Origins: []catalog.OriginPolicy{c.Policy()}})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- reader.Watch(ctx, w.catalog.Feed(origin)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("Watch = %v, want %v", err, context.Canceled)
		}
	})
	return w
}

func open(t *testing.T, folder string) *config {
	t.Helper()
	c, err := parse(stanza.Stanza{File: "Corefile", Line: 1, Words: []string{"manifests", "test", folder}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*config)
}

// until waits for a snapshot that holds.
func (w *watched) until(what string, holds func(*catalog.Snapshot) bool) {
	w.t.Helper()
	late := time.After(10 * time.Second)
	for {
		s := w.catalog.Snapshot()
		if holds(s) {
			return
		}
		select {
		case <-s.Changed():
		case <-late:
			w.t.Fatalf("%s: not seen; the services are %s, the state %+v", what, names(s), s.State(origin))
		}
	}
}

// untilNames waits until the folder's services are these.
func (w *watched) untilNames(want string) {
	w.t.Helper()
	w.until("services "+want, func(s *catalog.Snapshot) bool { return s.Synced() && names(s) == want })
}

func names(s *catalog.Snapshot) string {
	var all []string
	for svc := range s.From(origin) {
		all = append(all, svc.Name)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func service(name string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\nspec: {clusterIP: None}\n---\n"
}

func TestWatchFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), service("a"))
	write(t, filepath.Join(dir, ".hidden.yaml"), service("hidden"))
	write(t, filepath.Join(dir, "notes.txt"), service("notes"))
	if err := os.Mkdir(filepath.Join(dir, "sub.yaml"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, dir)
	w.untilNames("a")
	write(t, filepath.Join(dir, "b.yaml"), service("b")+service("c"))
	w.untilNames("a b c")
	write(t, filepath.Join(dir, "b.yaml"), service("c"))
	w.untilNames("a c")
	if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	w.untilNames("c")
}

// TestEditorsDance renames a new file over the old one.
func TestEditorsDance(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	write(t, path, service("a"))
	w := watch(t, dir)
	w.untilNames("a")
	write(t, path+"~", service("b"))
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
	w.untilNames("b")
}

// TestBrokenFileKeepsWhatItHeld breaks a file in each way and mends it.
func TestBrokenFileKeepsWhatItHeld(t *testing.T) {
	for name, text := range map[string]string{"syntax": service("x") + "kind: [", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.yaml")
			write(t, path, service("a")+service("b"))
			w := watch(t, dir)
			w.untilNames("a b")
			write(t, path, text)
			w.until("refusal", func(s *catalog.Snapshot) bool { return s.State(origin).Refused == 1 })
			w.untilNames("a b")
			write(t, path, service("a"))
			w.untilNames("a")
			w.until("no refusal", func(s *catalog.Snapshot) bool { return s.State(origin).Refused == 0 })
		})
	}
}

// TestBrokenFileFromTheStart holds that a folder with a file that was never
// understood says that it may hold more, from its first report on, until the
// file is mended or gone.
func TestBrokenFileFromTheStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "b.yaml")
	write(t, filepath.Join(dir, "a.yaml"), service("a"))
	write(t, path, service("b")+"kind: [")
	w := watch(t, dir)
	w.until("partial", func(s *catalog.Snapshot) bool {
		st := s.State(origin)
		if st.Synced && st.Partial == nil {
			t.Fatal("synced as if it were all")
		}
		return st.Synced
	})
	write(t, path, service("b"))
	w.untilNames("a b")
	w.until("whole", func(s *catalog.Snapshot) bool { return s.State(origin).Partial == nil })
	write(t, path, "kind: [")
	w.until("partial again", func(s *catalog.Snapshot) bool { return s.State(origin).Partial != nil })
	w.untilNames("a b")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.untilNames("a")
	w.until("whole without it", func(s *catalog.Snapshot) bool { return s.State(origin).Partial == nil })
}

// TestFolderReplaced takes the folder away and puts another in its place.
func TestFolderReplaced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "manifests")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.yaml"), service("a"))
	w := watch(t, dir)
	w.untilNames("a")
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	w.until("lost folder", func(s *catalog.Snapshot) bool { return !s.State(origin).Connected })
	w.untilNames("a")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "b.yaml"), service("b"))
	w.untilNames("b")
	write(t, filepath.Join(dir, "c.yaml"), service("c"))
	w.untilNames("b c")
}

// TestMountedConfigMap swaps a symbolic link, as kubelet and git-sync do.
func TestMountedConfigMap(t *testing.T) {
	dir := t.TempDir()
	for _, v := range []string{"v1", "v2"} {
		if err := os.Mkdir(filepath.Join(dir, ".."+v), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, ".."+v, "a.yaml"), service("a-"+v))
	}
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("..v1", "..data")
	link("..data/a.yaml", "a.yaml")
	w := watch(t, dir)
	w.untilNames("a-v1")
	link("..v2", "..data_tmp")
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	w.untilNames("a-v2")
}

func TestNoFolder(t *testing.T) {
	reader, err := open(t, filepath.Join(t.TempDir(), "none")).Reader(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c := catalog.New(catalog.Policy{})
	if err := reader.Watch(t.Context(), c.Feed(origin)); err == nil || !strings.Contains(err.Error(), "none\": no such file") {
		t.Errorf("Watch = %v, want an error that names the folder", err)
	}
	if c.Snapshot().Synced() {
		t.Error("synced without a folder")
	}
}
