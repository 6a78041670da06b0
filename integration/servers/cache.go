package servers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// target is one program as it will be built: everything that decides its place in the cache.
type target struct {
	program Program
	source  source
	version string // of the program
	modules string // folder of the module it is built from
	path    string // of the executable in the cache
}

func newTarget(ctx context.Context, p Program) (target, error) {
	s, err := p.source()
	if err != nil {
		return target{}, err
	}
	root, release, err := goEnv(ctx)
	if err != nil {
		return target{}, err
	}
	t := target{program: p, source: s, modules: filepath.Join(root, "integration", "servers", "modules", s.folder)}
	goMod, goSum, err := readModule(t.modules)
	if err != nil {
		return target{}, err
	}
	if t.version, err = pinned(string(goMod), s.module); err != nil {
		return target{}, fmt.Errorf("servers: read %q: %w", filepath.Join(t.modules, "go.mod"), err)
	}
	folder, err := cacheDir()
	if err != nil {
		return target{}, err
	}
	sum := sha256.Sum256(append(goMod, goSum...))
	t.path = filepath.Join(folder, fmt.Sprintf("%s-%s-%s-%s-%s-%x", p, t.version, release, runtime.GOOS, runtime.GOARCH, sum[:4]))
	return t, nil
}

// goEnv returns the root folder of the main module around the working directory and the Go release.
func goEnv(ctx context.Context) (root, release string, err error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD", "GOVERSION").Output()
	if err != nil {
		return "", "", fmt.Errorf("servers: ask the go command for the module's root: %w", err)
	}
	line := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(line) != 2 || line[0] == "" || line[0] == os.DevNull {
		return "", "", errors.New("servers: the working directory is in no Go module: run this inside the source tree")
	}
	return filepath.Dir(line[0]), line[1], nil
}

func readModule(folder string) (goMod, goSum []byte, err error) {
	goMod, err = os.ReadFile(filepath.Join(folder, "go.mod"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("servers: no module %q: run this inside the source tree of isthmus", folder)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("servers: read module: %w", err)
	}
	if goSum, err = os.ReadFile(filepath.Join(folder, "go.sum")); err != nil {
		return nil, nil, fmt.Errorf("servers: read module: %w", err)
	}
	return goMod, goSum, nil
}

// Clean removes every built program, of whatever version, and returns the folder they were in. Nothing may build meanwhile.
func Clean() (folder string, err error) {
	folder, err = cacheDir()
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(folder); err != nil {
		return "", fmt.Errorf("servers: remove what was built: %w", err)
	}
	return folder, nil
}

// cacheDir returns the folder of built programs, made if needed.
func cacheDir() (string, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("servers: find the cache folder: %w", err)
	}
	dir := filepath.Join(user, "isthmus", "servers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("servers: make the cache folder: %w", err)
	}
	return dir, nil
}

func (t target) cached() bool {
	info, err := os.Stat(t.path)
	return err == nil && info.Mode().IsRegular()
}

// lock takes the file lock at path for this process and returns what gives it back. Before it first waits it calls waiting.
// The lock goes with the process, so a dead holder holds nobody up.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("servers: open lock: %w", err)
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("servers: lock %q: %w", path, err)
		}
		if first {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("servers: wait for lock %q: %w", path, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
