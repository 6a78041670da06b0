package etcd

import (
	"errors"
	"testing"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// TestHosts holds that a record of any but ourselves is refused if it names a host
// which the stanza does not let it.
func TestHosts(t *testing.T) {
	c := registrytest.Parse(t, Type(), "etcd x {\ndeny_cidr 10.96.0.0/16\nallow_names example.org\n}", nil).(*config)
	l := newLayout(c.path, c.zone, c.namespace)
	l.owner, l.hosts = "prod", &c.hosts
	for _, tt := range []struct {
		value   string
		refused bool
	}{
		{`{"host":"10.1.0.1"}`, false},
		{`{"host":"10.96.0.1"}`, true},
		{`{"host":"db.example.org"}`, false},
		{`{"host":"db.example.net"}`, true},
		{`{"text":"hello"}`, false},
		{`{"host":"10.96.0.1","isthmus":{"owner":"prod","key":"a/b","format":1}}`, false},
		{`{"host":"10.96.0.1","isthmus":{"owner":"other","key":"a/b","format":1}}`, true},
	} {
		r := parseRecord(l, l.base+"svc/shop/web/a", []byte(tt.value))
		if got := errors.Is(r.err, registry.ErrInvalid); got != tt.refused {
			t.Errorf("%s: %v, want refused %v", tt.value, r.err, tt.refused)
		}
	}
}
