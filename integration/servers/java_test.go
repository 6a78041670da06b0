package servers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// onPath has nothing be found on the PATH but these programs, by name.
func onPath(t *testing.T, programs map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	return dir
}

func TestJava(t *testing.T) {
	for _, c := range []struct {
		name  string
		found map[string]string // on the PATH
		root  bool
		err   string // else java is found
		said  bool   // that it is being installed
	}{
		{name: "found", found: map[string]string{"java": "", "javac": "", "apt-get": "exit 1\n"}, root: true},
		{name: "without a compiler", found: map[string]string{"java": ""}, err: "package is called default-jdk-headless"},
		{name: "nobody may install it", found: map[string]string{"apt-get": ""}, err: "package is called default-jdk-headless"},
		{name: "nothing installs it", root: true, err: "package is called default-jdk-headless"},
		{name: "installed", root: true, said: true, found: map[string]string{
			"apt-get": `case "$*" in *"install -y --no-install-recommends default-jdk-headless") /bin/cp "$0" "${0%apt-get}java"; /bin/cp "$0" "${0%apt-get}javac";; esac`}},
		{name: "refused", found: map[string]string{"apt-get": "echo no space left; exit 100\n"}, root: true, err: "no space left", said: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := onPath(t, c.found)
			t.Setenv("JAVA_HOME", "")
			var said []string
			got, err := java(t.Context(), c.root, func(line string) { said = append(said, line) })
			if c.err == "" && got != filepath.Join(dir, "java") || (err == nil) != (c.err == "") {
				t.Errorf("java() = %q, %v", got, err)
			}
			if err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("java() = %v, want %q", err, c.err)
			}
			if (len(said) > 0) != c.said {
				t.Errorf("said %q", said)
			}
		})
	}
}

func TestJavaHome(t *testing.T) {
	dir := onPath(t, map[string]string{"java": "", "javac": ""})
	home := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(home, "bin")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("JAVA_HOME", home)
	if got, err := findJava(); got != filepath.Join(home, "bin", "java") {
		t.Errorf("findJava() = %q, %v, want that of JAVA_HOME", got, err)
	}
}

// Packages that are programs of this test: what is fetched is named by its arguments.
const (
	fetches = `case "$*" in *update) : >listed;; *"download libone-java libtwo-java") : >one.deb; : >two.deb;; *) exit 99;; esac` + "\n"
	unpacks = `name=${2##*/}; /bin/mkdir -p "$3/usr/share/java" && : >"$3/usr/share/java/${name%.deb}.jar"` + "\n"
)

func TestFetch(t *testing.T) {
	for _, c := range []struct {
		name  string
		found map[string]string // on the PATH
		root  bool
		err   string
	}{
		{name: "fetched", found: map[string]string{"apt-get": fetches, "dpkg-deb": unpacks}},
		{name: "no packages here", err: "apt-get"},
		{name: "old lists", found: map[string]string{"apt-get": "echo 404; exit 100\n", "dpkg-deb": unpacks}, err: "apt-get update"},
		{name: "lists renewed", root: true, found: map[string]string{"dpkg-deb": unpacks,
			"apt-get": `case "$*" in *update) : >"$0.listed"; exit 0;; esac; test -e "$0.listed" || exit 100` + "\n" + fetches}},
		{name: "a jar is not there", found: map[string]string{"apt-get": fetches, "dpkg-deb": `case "$2" in *one.deb) ` + unpacks + ` ;; esac`}, err: "two.jar"},
		{name: "damaged", found: map[string]string{"apt-get": fetches, "dpkg-deb": "echo not an archive; exit 2"}, err: "not an archive"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onPath(t, c.found)
			folder := t.TempDir()
			u := unpacked{[]library{{"libone-java", []string{"one"}}, {"libtwo-java", []string{"two"}}}, filepath.Join(folder, "java")}
			var said []string
			err := u.fetch(t.Context(), c.root, func(line string) { said = append(said, line) })
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("fetch() = %v, want %q", err, c.err)
			}
			left, _ := filepath.Glob(filepath.Join(folder, "*"))
			hidden, _ := filepath.Glob(filepath.Join(folder, ".*"))
			left = slices.DeleteFunc(append(left, hidden...), func(path string) bool { return filepath.Base(path) == "lock" })
			if err != nil {
				if len(left) > 0 {
					t.Errorf("left in the cache: %q", left)
				}
				return
			}
			if !slices.Equal(left, []string{u.path}) || len(said) != 2 {
				t.Errorf("the cache has %q, and %q was said", left, said)
			}
			onPath(t, nil)
			if err := u.fetch(t.Context(), c.root, func(line string) { t.Errorf("said %q", line) }); err != nil {
				t.Errorf("fetch() of what is there = %v", err)
			}
		})
	}
}

func TestUnpackedName(t *testing.T) {
	one, two := []library{{"one", nil}}, []library{{"two", nil}}
	const debian = "PRETTY_NAME=\"Debian\"\nID=debian\nVERSION_ID=\"12\"\n"
	got := unpackedName(debian, one)
	if !strings.HasPrefix(got, "java-debian-12-") {
		t.Errorf("unpackedName() = %q", got)
	}
	for name, other := range map[string]string{
		"other libraries": unpackedName(debian, two),
		"another release": unpackedName("ID=debian\nVERSION_ID=\"13\"\n", one),
		"a code name":     unpackedName("ID=debian\nVERSION_CODENAME=forky\n", one),
	} {
		if other == got {
			t.Errorf("%s: unpackedName() = %q, too", name, other)
		}
	}
}
