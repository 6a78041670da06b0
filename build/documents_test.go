package build

import (
	"log/slog"
	"os"
	"regexp"
	"testing"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/registry/all"
)

// TestReadmeBridge opens every bridge file in the README: it must parse, and
// every rule must lead somewhere that can be written to.
func TestReadmeBridge(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig := t.TempDir() + "/kubeconfig"
	if err := os.WriteFile(kubeconfig, []byte("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: http://127.0.0.1:1}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) string { return map[string]string{"KUBECONFIG": kubeconfig}[name] }
	blocks := regexp.MustCompile("(?ms)^```\n(bridge .*?)^```$").FindAllSubmatch(text, -1)
	if len(blocks) != 1 {
		t.Fatalf("%d bridge files in the README, want 1", len(blocks))
	}
	config, err := bridge.Parse("README.md", blocks[0][1], all.Types(), env)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bridge.Open(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
