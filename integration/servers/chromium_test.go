package servers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChromium(t *testing.T) {
	const program = "#!/bin/sh\n"
	for _, c := range []struct {
		name  string
		found map[string]string // on the PATH
		root  bool
		want  string // the program found
		err   string
		said  bool // that it is being installed
	}{
		{name: "found", found: map[string]string{"chromium": program, "apt-get": program + "exit 1\n"}, root: true, want: "chromium"},
		{name: "by another name", found: map[string]string{"google-chrome": program}, want: "google-chrome"},
		{name: "nobody may install it", found: map[string]string{"apt-get": program}, err: "package is called chromium"},
		{name: "nothing installs it", root: true, err: "package is called chromium"},
		{name: "installed", root: true, want: "chromium", said: true,
			found: map[string]string{"apt-get": program + `case "$*" in *"install -y --no-install-recommends chromium") /bin/cp "$0" "${0%apt-get}chromium";; esac` + "\n"}},
		{name: "not listed, yet installed", root: true, want: "chromium", said: true,
			found: map[string]string{"apt-get": program + `case "$*" in *update) exit 100;; esac; /bin/cp "$0" "${0%apt-get}chromium"` + "\n"}},
		{name: "refused", found: map[string]string{"apt-get": program + "echo no space left; exit 100\n"}, root: true, err: "no space left", said: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range c.found {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", dir)
			var said []string
			got, err := chromium(t.Context(), c.root, func(line string) { said = append(said, line) })
			if c.want != "" && got != filepath.Join(dir, c.want) || (err == nil) != (c.err == "") {
				t.Errorf("chromium() = %q, %v, want %q", got, err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("chromium() = %v, want %q", err, c.err)
			}
			if (len(said) > 0) != c.said {
				t.Errorf("said %q", said)
			}
		})
	}
}
