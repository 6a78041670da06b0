package servers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build returns the path of p's executable. It builds it if the cache has none, which for the larger programs takes minutes,
// fetches modules and keeps every core busy; a cached one is returned in milliseconds and nothing is reported.
//
// progress gets a line when a build starts, one about every ten seconds of it, and one at its end; it is called by one
// goroutine at a time and never after Build returned. It may be nil. When ctx ends, so does the build, and the cache is as it was.
func Build(ctx context.Context, p Program, progress func(line string)) (path string, err error) {
	if progress == nil {
		progress = func(string) {}
	}
	t, err := newTarget(ctx, p)
	if err != nil {
		return "", err
	}
	if t.cached() {
		return t.path, nil
	}
	unlock, err := lock(ctx, filepath.Join(filepath.Dir(t.path), "lock"), func() {
		progress(fmt.Sprintf("%s %s: waiting for another build to end", t.program, t.version))
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if t.cached() {
		return t.path, nil
	}
	return t.path, t.build(ctx, progress)
}

// build compiles t below a temporary folder and moves it to its place. The caller holds the lock.
func (t target) build(ctx context.Context, progress func(string)) error {
	start := time.Now()
	progress(fmt.Sprintf("building %s %s, about %d min on two cores, once", t.program, t.version, t.source.minutes))
	tmp, err := os.MkdirTemp(filepath.Dir(t.path), ".building-")
	if err != nil {
		return fmt.Errorf("servers: build %s: %w", t.program, err)
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, string(t.program))
	if err := t.compile(ctx, out, progress); err != nil {
		return fmt.Errorf("servers: build %s %s: %w", t.program, t.version, err)
	}
	if err := os.Rename(out, t.path); err != nil {
		return fmt.Errorf("servers: keep %s: %w", t.program, err)
	}
	progress(fmt.Sprintf("built %s %s in %d s", t.program, t.version, int(time.Since(start).Seconds())))
	return nil
}

// compile runs the go command, in a process group of its own so that its compilers end with it.
func (t target) compile(ctx context.Context, out string, progress func(string)) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-buildvcs=false",
		"-ldflags", t.source.linkerFlags(t.version), "-o", out, t.source.main)
	cmd.Dir = t.modules
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.SysProcAttr = processAttributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	log := new(buildLog)
	cmd.Stderr = log

	runtime.LockOSThread() // see processAttributes
	defer runtime.UnlockOSThread()
	stop := report(progress, func(seconds int) string {
		return fmt.Sprintf("building %s %s: %d s%s", t.program, t.version, seconds, log.counts())
	})
	err := cmd.Run()
	stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, log.text())
	}
	return nil
}

// report calls progress with a line every ten seconds until the returned function is called, which waits for the last call.
func report(progress func(string), line func(seconds int) string) (stop func()) {
	start := time.Now()
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				progress(line(int(time.Since(start).Seconds())))
			}
		}
	})
	return func() { close(end); done.Wait() }
}

// buildLog reads what `go build -v` writes: a line for each package compiled or module fetched, which it counts, and
// everything else, which it keeps for the error.
type buildLog struct {
	mu       sync.Mutex // guards what follows
	rest     []byte     // an unfinished line
	packages int
	modules  int
	other    []string
}

// Write never fails.
func (l *buildLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(b), nil
		}
		l.takeLocked(string(line))
		l.rest = rest
	}
}

func (l *buildLog) takeLocked(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		l.modules++
	case !strings.ContainsAny(line, " \t:"):
		l.packages++
	default:
		l.other = append(l.other, line)
	}
}

// counts says how far the build is; nothing while all comes from the caches of Go.
func (l *buildLog) counts() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.packages > 0:
		return fmt.Sprintf(", %d packages compiled", l.packages)
	case l.modules > 0:
		return fmt.Sprintf(", %d modules fetched", l.modules)
	}
	return ""
}

func (l *buildLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(append(l.other, string(l.rest)), "\n")
}
