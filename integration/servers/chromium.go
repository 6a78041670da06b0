package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	if err := install(ctx, "chromium", progress); err != nil {
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
