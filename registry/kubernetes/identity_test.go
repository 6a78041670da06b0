package kubernetes

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestIdentity holds who the server is to whoever may not see kube-system, and
// that this is said once.
func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		name       string
		denied     bool
		namespaces []string
		want       catalog.Identity
		err        string
		warnings   int
	}{
		{"all rights", false, nil, "kubernetes:u1", "", 0},
		{"all rights, one namespace", false, []string{"a"}, "kubernetes:u1", "", 0},
		{"none on kube-system, one namespace", true, []string{"a"}, "kubernetes:a-u1", "", 1},
		{"none on any, one namespace", true, []string{"b"}, "", "", 1},
		{"none on kube-system", true, nil, "", `grant list on the namespace "kube-system"`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.denied = tt.denied
			c := f.config()
			c.namespaces = tt.namespaces
			var log bytes.Buffer
			s, err := c.open("", slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				id, err := s.identity(t.Context())
				if id != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("identity = %q, %v, want %q, %q", id, err, tt.want, tt.err)
				}
			}
			if n := strings.Count(log.String(), "level=WARN"); n != tt.warnings {
				t.Errorf("%d warnings, want %d:\n%s", n, tt.warnings, &log)
			}
		})
	}
}
