package etcd

import (
	"context"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestRenewedPassword holds that neither a write nor a watch notices that the
// password, and then the user, is another one, once the file holds the new one.
func TestRenewedPassword(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	own := serverstest.Etcd(t)
	z := newZoneOn(t, own.Endpoint())
	grant(t, z, map[string]clientv3.PermissionType{
		z.layout.base:         clientv3.PermissionType(clientv3.PermReadWrite),
		"/" + stateRoot + "/": clientv3.PermissionType(clientv3.PermReadWrite),
	})
	user := filepath.Join(t.TempDir(), "user")
	write := func(text string) {
		if err := os.WriteFile(user, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bridge:hunter2")
	c := registrytest.Parse(t, Type(), "etcd x "+own.Endpoint()+" {\nzone "+z.name+"\nuser_file "+user+"\n}", nil)
	e, err := c.Writer("prod", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := watch(t, e.(*etcd))
	w.Synced(t)
	claimed(t, w.etcd)
	mustPut(t, w.etcd, mirror("prod", "w1", 1))
	root := z.rootOf(t, own.Endpoint())
	write("bridge:hunter3")
	if _, err := root.UserChangePassword(ctx, "bridge", "hunter3"); err != nil {
		t.Fatal(err)
	}
	mustPut(t, w.etcd, mirror("prod", "w2", 1))
	if _, err = root.UserAdd(ctx, "other", "hunter4"); err == nil {
		_, err = root.UserGrantRole(ctx, "other", "bridge")
	}
	write("other:hunter4")
	if err == nil {
		_, err = root.UserDelete(ctx, "bridge")
	}
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, w.etcd, mirror("prod", "w3", 1))
	for range 3 { // as often as a watch asks whether the server is there
		changed := w.Catalog.Snapshot().Changed()
		select {
		case err := <-w.Errs:
			t.Fatalf("Watch = %v", err)
		case <-changed:
		case <-time.After(beatEvery):
		}
	}
}

// TestRenewedAuthority holds that a connection is made by the authorities that the
// file holds then.
func TestRenewedAuthority(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "ca.crt")
	right := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	write := func(text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(right)
	c := registrytest.Parse(t, Type(), "etcd x "+srv.URL+" {\nca_file "+file+"\n}", nil).(*config)
	secure, err := c.tls()
	if err != nil {
		t.Fatal(err)
	}
	connect := func() error {
		raw, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer raw.Close()
		_, _, err = renewing{config: c, tls: secure}.ClientHandshake(t.Context(), srv.Listener.Addr().String(), raw)
		return err
	}
	if err := connect(); err != nil {
		t.Errorf("at first: %v", err)
	}
	write([]byte("none"))
	if err := connect(); err == nil || !strings.Contains(err.Error(), `ca_file "`+file+`" holds no certificate`) {
		t.Errorf("with a broken file: %v", err)
	}
	write(right)
	if err := connect(); err != nil {
		t.Errorf("with the renewed file: %v", err)
	}
}
