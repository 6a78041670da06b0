package servers_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// TestRestore holds that an etcd that is given a snapshot is the same cluster, as it
// was then, and that its revisions went back.
func TestRestore(t *testing.T) {
	e, ctx := serverstest.Etcd(t), t.Context()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{e.Endpoint()}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	then, err := client.Put(ctx, "/a", "then")
	if err != nil {
		t.Fatal(err)
	}
	saved, err := client.SnapshotWithVersion(ctx)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(saved.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "snapshot")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if _, err := client.Put(ctx, "/a", "later"); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Restore(ctx, file); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].Value) != "then" || got.Header.Revision != then.Header.Revision || got.Header.ClusterId != then.Header.ClusterId {
		t.Errorf("after the restore: %v, want what was put at revision %d of cluster %x", got, then.Header.Revision, then.Header.ClusterId)
	}
}
