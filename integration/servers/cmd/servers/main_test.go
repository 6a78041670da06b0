package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing", nil, "usage"},
		{"another word", []string{"stop"}, "usage"},
		{"no server", []string{"start"}, "usage"},
		{"two servers", []string{"start", "etcd", "consul"}, "usage"},
		{"unknown server", []string{"start", "nginx"}, `"nginx"`},
		{"unknown program", []string{"build", "nginx"}, `"nginx"`},
		{"unknown flag", []string{"start", "-nginx", "etcd"}, "-nginx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := run(t.Context(), c.args); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("run(%q) = %v, want an error with %q", c.args, err, c.want)
			}
		})
	}
}

// Whoever interrupts a start gets an error.
func TestStartEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"start", "etcd"}); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("run() with an ended context = %v, want that it was canceled", err)
	}
}

func TestClean(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	built := filepath.Join(cache, "isthmus", "servers", "etcd-v1")
	if err := os.MkdirAll(filepath.Dir(built), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(built, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"clean"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(built)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was built is still there: %v", err)
	}
}
