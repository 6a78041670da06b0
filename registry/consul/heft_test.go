package consul

import (
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

// TestHeft holds that an instance of which something is too large is refused, under a
// name that is not, and its siblings are not.
func TestHeft(t *testing.T) {
	long := strings.Repeat("a", 10<<20)
	entry := func(node, id, address string, tags ...string) *api.ServiceEntry {
		return &api.ServiceEntry{
			Node:    &api.Node{Node: node, Address: "10.0.0.1"},
			Service: &api.AgentService{ID: id, Service: "web", Address: address, Port: 80, Tags: tags},
		}
	}
	for what, bad := range map[string]*api.ServiceEntry{
		"address": entry("n", "bad", long),
		"a tag":   entry("n", "bad", "10.0.0.2", long),
		"tags":    entry("n", "bad", "10.0.0.2", make([]string, 100_000)...),
		"node":    entry(long, "bad", "10.0.0.2"),
	} {
		f := layout{}.decode("web", []*api.ServiceEntry{bad, entry("n", "good", "10.0.0.3")})
		if len(f.refused) != 1 || len(f.services) != 1 || len(f.services[0].Endpoints) != 1 {
			t.Errorf("%s: %d are refused, want one", what, len(f.refused))
		}
		for record, err := range f.refused {
			if len(record)+len(err.Error()) > 2000 {
				t.Errorf("%s: it is told in %d bytes", what, len(record)+len(err.Error()))
			}
		}
	}
	f := layout{}.decode("web", []*api.ServiceEntry{entry("n", long, "10.0.0.2")})
	if len(f.services) != 1 || len(f.services[0].Endpoints[0].ID) > 1000 {
		t.Error("a long id is kept")
	}
	if f := (layout{}).decode(keyName(long), nil); len(f.refused) != 1 || len(f.services) != 0 {
		t.Error("a name of 10 MB is taken")
	}
	if askable(long) {
		t.Error("a node with a name of 10 MB is asked for")
	}
}
