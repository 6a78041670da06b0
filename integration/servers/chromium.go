package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Chromium returns the path of a browser: Chromium or Chrome on the PATH, else Debian's chromium, which is installed through
// apt-get when this process runs as root. It is not built and not kept in the cache.
//
// progress gets a line when an installation starts, one about every ten seconds of it, and one at its end, as from Build.
func Chromium(ctx context.Context, progress func(line string)) (path string, err error) {
	if progress == nil {
		progress = func(string) {}
	}
	return chromium(ctx, os.Geteuid() == 0, progress)
}

func chromium(ctx context.Context, root bool, progress func(string)) (string, error) {
	if path, err := findChromium(); err == nil {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || !root {
		return "", errors.New("servers: no chromium is on the PATH: install it (Debian's package is called chromium), or run this as root where there is apt-get")
	}
	start := time.Now()
	progress("installing Debian's package chromium, about 1 min, once")
	if err := installChromium(ctx, progress); err != nil {
		return "", fmt.Errorf("servers: install the package chromium: %w", err)
	}
	progress(fmt.Sprintf("installed chromium in %d s", int(time.Since(start).Seconds())))
	return findChromium()
}

func findChromium() (path string, err error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("servers: find a browser: %w", err)
}

// installChromium asks for the newest list of packages first, without which a new machine knows none. That one of several
// sources has none today only matters if the installation fails, too.
func installChromium(ctx context.Context, progress func(string)) error {
	stop := report(progress, func(seconds int) string { return fmt.Sprintf("installing chromium: %d s", seconds) })
	defer stop()
	listed := apt(ctx, "update")
	if err := apt(ctx, "install", "-y", "--no-install-recommends", "chromium"); err != nil {
		return errors.Join(err, listed)
	}
	return nil
}

// apt runs apt-get, which waits for its turn where another one runs. One that is interrupted ends at once, but leaves no
// package half unpacked.
func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = grace
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, lastOf(out, 2000))
	}
	return nil
}

func lastOf(text []byte, most int) []byte { return text[max(0, len(text)-most):] }
