package consul

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// operations checks how many operations, but for the fence, putting s takes.
func operations(t *testing.T, c *consul, s *catalog.Service, want int) {
	t.Helper()
	j, err := c.layout.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	got := 0
	for _, step := range j.steps {
		got += len(step.ops)
	}
	if got != want {
		t.Errorf("%d operations, want %d", got, want)
	}
}

// A write concerns its own instances: a stranger's change of another one is
// neither overwritten nor hidden, and written over only once it was seen.
func TestStrangersChange(t *testing.T) {
	empty(t)
	c := open(t, "beside")
	claim(t, c)
	cat := watching(t, c)
	s := mirror("beside", "web", 3)
	mustPut(t, c, s)
	theirs := entries(t, "web")[0]
	theirs.Service.Address = "10.254.254.254"
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: theirs.Node.Node, SkipNodeUpdate: true, Service: theirs.Service}, nil)
	at := slices.IndexFunc(s.Endpoints, func(e catalog.Endpoint) bool { return e.ID == theirs.Service.Meta[metaID] })
	s.Endpoints[(at+1)%3].Tags = []string{"v2"}
	mustPut(t, c, s)
	s.Endpoints[at].Tags = []string{"v2"}
	if err := c.Put(t.Context(), []*catalog.Service{s})[0].Err; !errors.Is(err, registry.ErrConflict) {
		t.Errorf("a put over the stranger's change = %v, want %v", err, registry.ErrConflict)
	}
	if got := entries(t, "web")[0].Service.Address; got != theirs.Service.Address {
		t.Errorf("the stranger's address became %s", got)
	}
	snap := wait(t, cat, "the stranger's change", func(snap *catalog.Snapshot) bool {
		return strings.Contains(text(get(snap, "web", "beside")), theirs.Service.Address)
	})
	s.Version = get(snap, "web", "beside").Version
	mustPut(t, c, s)
	if got := text(get(cat.Snapshot(), "web", "beside")); strings.Contains(got, theirs.Service.Address) {
		t.Errorf("after the repair the feed has\n%s", got)
	}
}
