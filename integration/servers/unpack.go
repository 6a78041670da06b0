package servers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// library is a Debian package and what is wanted of it: jars in /usr/share/java.
type library struct {
	name string
	jars []string
}

// unpacked is a folder of packages that were unpacked and not installed.
type unpacked struct {
	libraries []library
	path      string
}

// unpackedName names the folder by what decides its contents: the system's release, whose packages keep their upstream versions, and
// the list of packages.
func unpackedName(release string, of []library) string {
	system := make(map[string]string)
	for line := range strings.Lines(release) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found {
			system[name] = strings.Trim(value, `"`)
		}
	}
	version := system["VERSION_ID"]
	if version == "" {
		version = system["VERSION_CODENAME"]
	}
	sum := sha256.Sum256(fmt.Append(nil, of))
	return fmt.Sprintf("java-%s-%s-%x", system["ID"], version, sum[:4])
}

// classPath returns the jars' paths as java takes them.
func (u unpacked) classPath() string {
	var all []string
	for _, l := range u.libraries {
		for _, jar := range l.jars {
			all = append(all, filepath.Join(u.path, "usr", "share", "java", jar+".jar"))
		}
	}
	return strings.Join(all, string(os.PathListSeparator))
}

// fetch fills the folder if it is not there.
func (u unpacked) fetch(ctx context.Context, root bool, progress func(string)) error {
	if u.there() {
		return nil
	}
	unlock, err := lock(ctx, filepath.Join(filepath.Dir(u.path), "lock"), func() {
		progress("Java libraries: waiting for another build to end")
	})
	if err != nil {
		return err
	}
	defer unlock()
	if u.there() {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("servers: fetch Debian's packages of ZooKeeper and Curator: %w", err)
	}
	start := time.Now()
	progress("fetching Debian's packages of ZooKeeper and Curator, about 12 MB, once")
	if err := u.fill(ctx, root, progress); err != nil {
		return fmt.Errorf("servers: fetch Debian's packages of ZooKeeper and Curator: %w", err)
	}
	progress(fmt.Sprintf("fetched Debian's packages of ZooKeeper and Curator in %d s", int(time.Since(start).Seconds())))
	return nil
}

func (u unpacked) there() bool {
	info, err := os.Stat(u.path)
	return err == nil && info.IsDir()
}

// fill makes the folder beside its place, and moves it there when all is in it. The caller holds the lock.
func (u unpacked) fill(ctx context.Context, root bool, progress func(string)) error {
	stop := report(progress, func(seconds int) string {
		return fmt.Sprintf("fetching Debian's packages of ZooKeeper and Curator: %d s", seconds)
	})
	defer stop()
	tmp, err := os.MkdirTemp(filepath.Dir(u.path), ".building-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := u.download(ctx, tmp, root); err != nil {
		return err
	}
	out := unpacked{libraries: u.libraries, path: filepath.Join(tmp, "unpacked")}
	if err := out.unpack(ctx, tmp); err != nil {
		return err
	}
	return os.Rename(out.path, u.path)
}

// download fetches the packages into folder. The lists by which apt-get knows where they are may be missing or too old, which
// root can mend.
func (u unpacked) download(ctx context.Context, folder string, root bool) error {
	args := []string{"download"}
	for _, l := range u.libraries {
		args = append(args, l.name)
	}
	err := apt(ctx, folder, args...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if !root {
		return fmt.Errorf("%w\nif the list of packages is old, `apt-get update` as root renews it", err)
	}
	listed := apt(ctx, "", "update")
	if err := apt(ctx, folder, args...); err != nil {
		return errors.Join(err, listed)
	}
	return nil
}

// unpack unpacks every package in folder, and checks that all jars are there.
func (u unpacked) unpack(ctx context.Context, folder string) error {
	all, err := filepath.Glob(filepath.Join(folder, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range all {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, u.path).CombinedOutput(); err != nil {
			return fmt.Errorf("unpack %q: %w\n%s", filepath.Base(deb), err, out)
		}
	}
	for _, jar := range filepath.SplitList(u.classPath()) {
		if _, err := os.Stat(jar); err != nil {
			return fmt.Errorf("the packages of this system lack a library: %w", err)
		}
	}
	return nil
}
