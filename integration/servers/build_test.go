package servers

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPinned(t *testing.T) {
	const many = "module m\n\ngo 1.26.0\n\ntool example.com/a/cmd\n\nrequire (\n\texample.com/a v1.2.3 // indirect\n\texample.com/a/b v0.1.0\n)\n"
	for _, c := range []struct {
		name, goMod, module, want string
	}{
		{"in a block", many, "example.com/a", "v1.2.3"},
		{"longer path", many, "example.com/a/b", "v0.1.0"},
		{"one line", "module m\nrequire example.com/a v1.0.0\n", "example.com/a", "v1.0.0"},
		{"replaced only", "module m\nreplace example.com/a => example.com/b v1.0.0\n", "example.com/a", ""},
		{"a tool only", "module m\ntool example.com/a\n", "example.com/a", ""},
		{"empty", "", "example.com/a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := pinned(c.goMod, c.module)
			if got != c.want || (err == nil) != (c.want != "") {
				t.Errorf("pinned(%q) = %q, %v, want %q", c.module, got, err, c.want)
			}
		})
	}
}

func TestEveryProgramHasATarget(t *testing.T) {
	paths := make(map[string]Program)
	for _, p := range Programs() {
		target, err := newTarget(t.Context(), p)
		if err != nil {
			t.Errorf("newTarget(%s) = %v", p, err)
		}
		if other, found := paths[target.path]; found {
			t.Errorf("%s and %s are the same file %q", p, other, target.path)
		}
		paths[target.path] = p
	}
	if _, err := Build(t.Context(), "nginx", nil); err == nil || !strings.Contains(err.Error(), `"nginx"`) {
		t.Errorf("Build() of an unknown program = %v, want its name", err)
	}
}

func TestBuildOutsideOfTheSourceTree(t *testing.T) {
	for _, c := range []struct{ name, goMod string }{
		{"no module", ""},
		{"another module", "module example.com/other\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if c.goMod != "" {
				if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(c.goMod), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(dir)
			_, err := Build(t.Context(), EtcdServer, nil)
			if err == nil || !strings.Contains(err.Error(), "inside the source tree") {
				t.Errorf("Build() = %v, want that it must run inside the source tree", err)
			}
		})
	}
}

// A build of its own in an empty cache: the small one, whose packages Go has compiled before.
func TestBuildOnceAtATime(t *testing.T) {
	for _, name := range []string{"GOCACHE", "GOPATH", "GOMODCACHE", "GOENV"} {
		t.Setenv(name, goVariable(t, name))
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	lines := make(chan string, 100)
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() {
			path, err := Build(t.Context(), Etcdctl, func(line string) { lines <- line })
			if err == nil {
				_, err = os.Stat(path)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	close(lines)
	var built int
	for line := range lines {
		if strings.HasPrefix(line, "built etcdctl v") {
			built++
		}
	}
	if built != 1 {
		t.Errorf("three builds at once compiled %d times, want once", built)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path, func() { t.Error("waited for a free lock") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var waited int
	if _, err := lock(ctx, path, func() { waited++ }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("lock() of a held one = %v, want %v", err, context.DeadlineExceeded)
	}
	if waited != 1 {
		t.Errorf("lock() said %d times that it waits, want once", waited)
	}
	unlock()
	unlock, err = lock(t.Context(), path, func() {})
	if err != nil {
		t.Fatalf("lock() of one given back = %v", err)
	}
	unlock()
}

func TestBuildLog(t *testing.T) {
	l := new(buildLog)
	for _, part := range []string{"go: downloading a v1\nnet/", "http\n", "example.com/a\n# example.com/a\n", "a.go:1:2: un", "defined: x\nrest of it"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("Write(%q) = %d, %v", part, n, err)
		}
	}
	if got, want := l.counts(), ", 2 packages compiled"; got != want {
		t.Errorf("counts() = %q, want %q", got, want)
	}
	if got, want := l.text(), "# example.com/a\na.go:1:2: undefined: x\nrest of it"; got != want {
		t.Errorf("text() = %q, want %q", got, want)
	}
}

func TestFreePorts(t *testing.T) {
	ports, err := freePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, p := range ports {
		if seen[p] {
			t.Errorf("port %d is there twice", p)
		}
		seen[p] = true
	}
	if err := areFree(ports); err != nil {
		t.Errorf("areFree() = %v", err)
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("first\nsecond\nthird\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		n    int64
		want string
	}{{100, "first\nsecond\nthird"}, {16, "second\nthird"}, {8, "third"}} {
		if got := tail(path, c.n); got != c.want {
			t.Errorf("tail(%d) = %q, want %q", c.n, got, c.want)
		}
	}
}

// goVariable says where Go keeps something, to leave it there when the user's folders are moved.
func goVariable(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
