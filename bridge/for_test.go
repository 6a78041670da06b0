package bridge

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
)

// TestParseBlocks holds what a block of a rule is for, and that it says otherwise
// what it says and nothing else, wherever in the rule it stands.
func TestParseBlocks(t *testing.T) {
	const text = `
bridge prod {
    kubernetes prod
    consul dc1
    mirror kubernetes/prod consul/dc1 {
        for namespaces shop-* !shop-test names web* {
            address clusterip
            ports split
            share
        }
        default off
        address nodeport internal
        for labels tier in (front, names) {
            address endpoints
            name {service}
            annotated_names shop-
            default on
        }
        for names db {
        }
        for names api {
            default exports
        }
        delete_limit 3
    }
}
`
	c, err := Parse("isthmus.conf", []byte(text), kinds(unopened), noEnv)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Rules[0]
	blocks := r.Blocks
	r.Blocks = nil
	want := *r
	if want.Share || want.Split || !want.OptIn || want.Address != mirror.NodePort || !want.Internal || want.Limit != (mirror.Limit{Services: 3}) {
		t.Errorf("the rule took over what a block says: %+v", want)
	}
	first, second, third, fourth := want, want, want, want
	first.Address, first.Internal, first.Split, first.Share = mirror.Virtual, false, true, true
	second.Address, second.Internal, second.OptIn, second.Named = mirror.Endpoints, false, false, []string{"shop-"}
	second.Naming.Name = "{service}"
	fourth.OptIn, fourth.Exports = false, true
	wants := []mirror.Block{
		{Namespaces: []string{"shop-*", "!shop-test"}, Names: []string{"web*"}, Rule: &first},
		{Rule: &second},
		{Names: []string{"db"}, Rule: &third},
		{Names: []string{"api"}, Rule: &fourth},
	}
	if len(blocks) != len(wants) || blocks[1].Labels == nil || blocks[1].Labels.String() != "tier in (front,names)" {
		t.Fatalf("blocks: %+v", blocks)
	}
	blocks[1].Labels = nil
	if diff := cmp.Diff(wants, blocks); diff != "" {
		t.Errorf("blocks: -want +got\n%s", diff)
	}
}

// TestParseTakenBack holds that a block can take back whatever its rule says, to
// what is so where nothing is said.
func TestParseTakenBack(t *testing.T) {
	for _, tt := range []struct{ pair, always, says, back string }{
		{"kubernetes/prod consul/dc1", "", "default off\nannotated_names on\nshare\nports split\naddress nodeport external",
			"default on\nannotated_names off\nshare off\nports off\naddress auto"},
		{"kubernetes/prod consul/dc1", "", "default exports\nname web\nnamespace x", "default on\nname {service}-{namespace}\nnamespace consul"},
		{"consul/dc1 kubernetes/prod", "namespace consul\ncreate_namespace off\n", "tags v1 !v2\nonly_passing\nservice clusterip", "tags off\nonly_passing off\nservice headless"},
	} {
		parsed := func(words string) *mirror.Rule {
			t.Helper()
			text := "bridge prod {\nkubernetes prod\nconsul dc1\nmirror " + tt.pair + " {\n" + tt.always + words + "\n}\n}"
			c, err := Parse("f", []byte(text), kinds(unopened), noEnv)
			if err != nil {
				t.Fatal(err)
			}
			return c.Rules[0]
		}
		unsaid := parsed("")
		if diff := cmp.Diff(unsaid, parsed(tt.back)); diff != "" {
			t.Errorf("%q is not what nothing says: -nothing +said\n%s", tt.back, diff)
		}
		if cmp.Equal(unsaid, parsed(tt.says)) {
			t.Errorf("%q says nothing", tt.says)
		}
		block := parsed(tt.says + "\nfor names web {\n" + tt.back + "\n}").Blocks[0].Rule
		if diff := cmp.Diff(unsaid, block); diff != "" {
			t.Errorf("%q in a block of %q: -nothing +said\n%s", tt.back, tt.says, diff)
		}
	}
}
