package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// install installs a Debian package, as root. It asks for the newest list of packages first, without which a new machine
// knows none. That one of several sources has none today only matters if the installation fails, too.
func install(ctx context.Context, name string, progress func(string)) error {
	stop := report(progress, func(seconds int) string { return fmt.Sprintf("installing %s: %d s", name, seconds) })
	defer stop()
	listed := apt(ctx, "", "update")
	if err := apt(ctx, "", "install", "-y", "--no-install-recommends", name); err != nil {
		return errors.Join(err, listed)
	}
	return nil
}

// apt runs apt-get in a folder, empty for any, and it waits for its turn where another one runs. One that is interrupted ends
// at once, but leaves no package half unpacked.
func apt(ctx context.Context, folder string, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Dir = folder
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
