package consul

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
)

// TestTenant holds that every question and every operation names the tenant
// that is configured, and none where none is.
func TestTenant(t *testing.T) {
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.URL.RawQuery+" "+string(body))
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	ask := func(options ...string) string {
		t.Helper()
		asked = nil
		cl, err := newClient(configure(t, srv.URL, options...))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cl.get(t.Context(), "/v1/catalog/services", nil, nil); err != nil {
			t.Fatal(err)
		}
		ops := api.TxnOps{
			{Node: &api.NodeTxnOp{Verb: api.NodeCAS}}, {Service: &api.ServiceTxnOp{Verb: api.ServiceCAS}}, {Check: &api.CheckTxnOp{Verb: api.CheckCAS}},
		}
		if _, _, err := cl.txn(t.Context(), ops); err != nil {
			t.Fatal(err)
		}
		return strings.Join(asked, "\n")
	}
	with := ask("partition blue", "tenant shop")
	if n := strings.Count(with, "ns=shop&partition=blue"); n != 2 {
		t.Errorf("%d of 2 questions name the tenant:\n%s", n, with)
	}
	if p, n := strings.Count(with, `"Partition":"blue"`), strings.Count(with, `"Namespace":"shop"`); p != 3 || n != 2 {
		t.Errorf("%d of 3 operations name the partition, %d of 2 the namespace:\n%s", p, n, with)
	}
	if without := ask(); strings.Contains(without, "ns=") || strings.Contains(without, "partition=") || strings.Contains(without, `"Partition":"b`) {
		t.Errorf("without a tenant:\n%s", without)
	}
	got := []string{tenant{}.suffix(), tenant{partition: "a"}.suffix(), tenant{namespace: "a"}.suffix()}
	if diff := cmp.Diff([]string{"", ":a/", ":/a"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestRenewedAuthority holds that a new file of authorities is taken without a
// restart, and that connections still speak HTTP/2.
func TestRenewedAuthority(t *testing.T) {
	proto := ""
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto = r.Proto
		_, _ = io.WriteString(w, "{}")
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	right := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	write(right)
	cl, err := newClient(configure(t, srv.URL, "ca_file "+file))
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		_, err := cl.get(t.Context(), "/v1/x", nil, nil)
		cl.http.CloseIdleConnections()
		return err
	}
	write(nil)
	if err := ask(); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("with an empty file: %v", err)
	}
	write(right)
	if err := ask(); err != nil || proto != "HTTP/2.0" {
		t.Errorf("with the renewed file: %v over %q", err, proto)
	}
}
