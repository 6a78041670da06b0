package bridge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// noted is a registry.Config of the test whose services carry notes.
type noted struct {
	opener
	details registry.Details
}

func (n noted) Detailed(d registry.Details) registry.Config {
	n.details = d
	return n
}

// TestOutward holds what the words for services with annotations mean, and what
// their registry is asked for.
func TestOutward(t *testing.T) {
	const begin, end = "bridge prod {\n\tkubernetes prod\n\tconsul dc1\n\tmirror kubernetes/prod consul/dc1 {\n", "\n\t}\n}"
	for _, tt := range []struct {
		block   string
		want    mirror.Rule
		labels  string
		details registry.Details
	}{
		{"", mirror.Rule{Address: mirror.Auto}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
		{"default on\naddress endpoints", mirror.Rule{Address: mirror.Endpoints}, "", registry.Details{Joins: true, Notes: true}},
		{"default off\naddress nodeport internal", mirror.Rule{Address: mirror.NodePort, OptIn: true, Internal: true}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
		{"address auto external", mirror.Rule{Address: mirror.Auto, Outside: true}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
		{"address auto external\nfor names web {\naddress auto\n}", mirror.Rule{Address: mirror.Auto, Outside: true}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
		{"default exports\naddress endpoints", mirror.Rule{Address: mirror.Endpoints, Exports: true}, "", registry.Details{Joins: true, Notes: true, Exports: true}},
		{"labels app in (web, db), tier != test\naddress clusterip", mirror.Rule{Address: mirror.Virtual}, "app in (db,web),tier!=test", registry.Details{Joins: true, Notes: true, Labels: true}},
		{"ports split", mirror.Rule{Address: mirror.Auto, Split: true}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
		{"address endpoints\nfor labels app {\naddress nodeport\n}", mirror.Rule{Address: mirror.Endpoints}, "", registry.Details{Joins: true, Notes: true, Labels: true, Nodes: true}},
		{"default off\naddress endpoints\nfor names web {\ndefault exports\n}", mirror.Rule{Address: mirror.Endpoints, OptIn: true}, "", registry.Details{Joins: true, Notes: true, Exports: true}},
		{"annotated_names off", mirror.Rule{Address: mirror.Auto}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
		{"annotated_names on", mirror.Rule{Address: mirror.Auto, Named: []string{""}}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
		{"annotated_names shop- team-", mirror.Rule{Address: mirror.Auto, Named: []string{"shop-", "team-"}}, "", registry.Details{Joins: true, Notes: true, Nodes: true}},
	} {
		c, err := Parse("f", []byte(begin+tt.block+end), kinds(unopened), noEnv)
		if err != nil {
			t.Error(err)
			continue
		}
		r := *c.Rules[0]
		labels := ""
		if r.Labels != nil {
			labels = r.Labels.String()
		}
		got := mirror.Rule{Address: r.Address, OptIn: r.OptIn, Exports: r.Exports, Internal: r.Internal, Outside: r.Outside, Named: r.Named, Split: r.Split}
		if diff := cmp.Diff(tt.want, got); diff != "" || labels != tt.labels {
			t.Errorf("%q: labels %q, want %q; -want +got\n%s", tt.block, labels, tt.labels, diff)
		}
		if d := c.detailed(c.Registries[0]).(noted).details; d != tt.details {
			t.Errorf("%q asks for %+v, want %+v", tt.block, d, tt.details)
		}
		if rc := c.detailed(c.Registries[1]); rc.Origin() != catalog.Origin("consul/dc1") {
			t.Errorf("consul became %v", rc)
		}
	}
}

// TestInwardDetails holds that a registry which is mirrored to tells what others may
// not have there.
func TestInwardDetails(t *testing.T) {
	c, err := Parse("f", []byte("bridge prod {\n\tkubernetes prod\n\tconsul dc1\n\tmirror consul/dc1 kubernetes/prod {\n\t\tnamespace in\n\t}\n}"), kinds(unopened), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := registry.Details{Joins: true, Notes: true, Ranges: true}
	if d := c.detailed(c.Registries[0]).(noted).details; d != want {
		t.Errorf("it is asked for %+v, want %+v", d, want)
	}
}
