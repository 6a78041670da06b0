package consul

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestReadAllIsReadByName holds that reading nodes whole tells of every name what
// asking for it does, and asks for no mirror that stands on one node.
func TestReadAllIsReadByName(t *testing.T) {
	empty(t)
	own, other := open(t, "own"), open(t, "other")
	claim(t, own)
	claim(t, other)
	var all []*catalog.Service
	for i := range 20 {
		all = append(all, mirror("own", fmt.Sprintf("m%02d", i), 3))
	}
	all[3].Endpoints[1].Ready = false
	mustPut(t, own, append(all, mirror("own", "shared", 2))...)
	mustPut(t, other, mirror("other", "shared", 1), mirror("other", "m-other", 2))
	register(t, "vm", "n1", "native", "10.2.0.1", 80, "passing")
	register(t, "vm", "n2", "m05", "10.2.0.2", 80, "critical") // beside a mirror
	node := own.layout.node("own", "m07")
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: node, SkipNodeUpdate: true, // a user's, on a node of ours
		Service: &api.AgentService{ID: "n3", Service: "M08", Address: "10.2.0.3", Port: 80}}, nil)
	node = own.layout.node("own", "m09")
	call(t, "PUT", "/v1/catalog/register", api.CatalogRegistration{Node: node, SkipNodeUpdate: true,
		Check: &api.AgentCheck{Node: node, CheckID: "_node_maintenance", Name: "m", Status: "critical"}}, nil)
	for _, owner := range []string{"own", "reader"} {
		byName, whole := readBoth(t, open(t, owner))
		if diff := gocmp.Diff(described(byName), described(whole)); diff != "" {
			t.Errorf("%s: by name, and by nodes:\n%s", owner, diff)
		}
		for _, a := range whole {
			alone := a.index == 0
			if mirrored := strings.HasPrefix(a.name, "m") && a.name != "m05" && a.name != "m08"; alone != mirrored {
				t.Errorf("%s: %q was read with its node: %v", owner, a.name, alone)
			}
		}
	}
}

// readBoth reads all names in both ways.
func readBoth(t *testing.T, c *consul) (byName, whole []answer) {
	t.Helper()
	c.view.begin(catalog.New(catalog.Policy{}).Feed("consul/test"))
	defer c.view.end()
	w := &watch{client: c.client, layout: c.layout, view: &c.view}
	l, err := w.list(t.Context())
	if err == nil && l.names == nil {
		l.names, err = w.listNames(t.Context(), "")
	}
	if err == nil {
		byName, err = w.read(t.Context(), keys(l.names))
	}
	if err == nil {
		whole, err = w.readAll(t.Context(), l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return byName, whole
}

// described is what answers say, but for the index of their name.
func described(all []answer) []string {
	var lines []string
	for _, a := range all {
		line := fmt.Sprintf("%s there=%v told=%v refused=%v sums=%v\n", a.name, a.there, a.told, a.refused, a.sums)
		for _, p := range a.packed {
			line += p.service().Text()
		}
		lines = append(lines, line)
	}
	slices.SortFunc(lines, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return lines
}
