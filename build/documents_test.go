package build

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/registry/all"
)

// TestBridgeFiles opens every bridge file that the manuals show: it must parse,
// and every rule must lead somewhere that can be written to.
func TestBridgeFiles(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(nowhere), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string { return map[string]string{"KUBECONFIG": kubeconfig}[name] }
	for file, want := range map[string]int{"../README.md": 1, "../bridge/README.md": 4} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		blocks := regexp.MustCompile("(?ms)^```\n(bridge [a-z].*?)^```$").FindAllSubmatch(text, -1)
		if len(blocks) != want {
			t.Errorf("%s shows %d bridge files, want %d", file, len(blocks), want)
		}
		for _, block := range blocks {
			config, err := bridge.Parse(file, block[1], all.Types(), env)
			if err != nil {
				t.Error(err)
				continue
			}
			b, err := bridge.Open(config, slog.New(slog.DiscardHandler))
			if errors.Is(err, fs.ErrNotExist) {
				continue // a secret's file, which only the reader has
			}
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

const nowhere = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`
