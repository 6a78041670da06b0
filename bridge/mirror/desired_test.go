package mirror

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var namingSame = registry.Naming{Namespace: "{namespace}", Name: "{service}"}

// text is w in the notation of the table below: one line for each service and
// each finding.
func (w *Wanted) text() string {
	var lines []string
	for _, kept := range w.Services {
		s := kept.Service()
		line := fmt.Sprintf("%s of %s %s", s.Key, s.Mark.Key, s.Type)
		if s.Alias != "" {
			line += " " + s.Alias
		}
		for _, e := range s.Endpoints {
			line += fmt.Sprintf(" %s=%t", e.Host, e.Ready)
		}
		lines = append(lines, line)
	}
	for _, f := range w.Taken {
		lines = append(lines, fmt.Sprintf("taken %s: %s", f.Original, f.Why))
	}
	for _, f := range w.Refused {
		lines = append(lines, fmt.Sprintf("refused %s: %s", f.Original, f.Why))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

const web = `
service shop/web ClusterIP
	addr 10.0.0.1
	external 192.0.2.1
	external lb.example.org
	port http TCP 80
	endpoint 10.1.0.1 id=a ready serving
	endpoint 10.1.0.2 id=b
`

const plain = `
service shop/web ClusterIP
	addr 10.0.0.1
	endpoint 10.1.0.1 id=a ready serving
`

const farMirrors = `
service x/api-far Headless
	mark owner=you of=kubernetes:far key=far/api format=1
	endpoint 10.2.0.1 id=a ready serving
service x/api-far Headless
	mark owner=they of=kubernetes:farther key=far/api format=1
	endpoint 10.3.0.1 id=a ready serving
service x/again Headless
	mark owner=you of=kubernetes:far key=far/again via=consul:dc1 format=1
service x/back Headless
	mark owner=you of=id:consul/dst key=far/back format=1
service x/newer Headless
	mark owner=you of=kubernetes:far key=far/newer format=9
`

const tagged = `
service consul/web Headless
	endpoint 10.1.0.1 id=a ready serving
		tag v1
	endpoint 10.1.0.2 id=b ready serving
		tag v1
		tag v2
	endpoint 10.1.0.3 id=c ready serving
service consul/db Headless
	endpoint 10.1.0.4 id=a ready serving
		tag primary
`

func TestDesired(t *testing.T) {
	tests := []struct {
		name     string
		source   string
		there    string
		rule     func(*Rule)
		canon    MirrorOf
		want     string
		nsAtDest []string
	}{
		{name: "endpoints where there is nothing outside", source: plain, want: "shop/web of shop/web Headless 10.1.0.1=true"},
		{name: "auto takes what is outside", source: web, want: "shop/web of shop/web Headless 192.0.2.1=true lb.example.org=true"},
		{name: "endpoints by name", source: web, rule: address(Endpoints), want: "shop/web of shop/web Headless 10.1.0.1=true 10.1.0.2=false"},
		{name: "virtual", source: web, rule: address(Virtual), want: "shop/web of shop/web Headless 10.0.0.1=true"},
		{name: "virtual without endpoints is not ready", source: "service shop/web ClusterIP\n\taddr 10.0.0.1", rule: address(Virtual), want: "shop/web of shop/web Headless 10.0.0.1=false"},
		{name: "virtual leaves headless out", source: "service shop/web Headless\n\tendpoint 10.1.0.1 id=a ready", rule: address(Virtual)},
		{name: "external leaves the rest out", source: plain, rule: address(External)},
		{name: "load balancer leaves the rest out", source: plain, rule: address(LoadBalancer)},
		{name: "an alias is copied whatever the policy", source: "service shop/db ExternalName\n\talias db.example.org", rule: address(Virtual), want: "shop/db of shop/db ExternalName db.example.org"},
		{name: "never a mirror", source: plain + "service shop/copy Headless\n\tmark owner=me of=id:consul/dst key=x/copy format=1\nservice shop/alien Headless\n\tmark owner=? key=x/y", want: "shop/web of shop/web Headless 10.1.0.1=true"},
		{name: "the cluster's own are left out by default", source: plain + "service kube-system/dns Headless\nservice kube-public/x Headless", rule: func(r *Rule) { r.Namespaces = nil }, want: "shop/web of shop/web Headless 10.1.0.1=true"},
		{name: "namespaces by name", source: "service a/x Headless\nservice b/x Headless\nservice c/x Headless", rule: func(r *Rule) { r.Namespaces = []string{"a", "c"} }, want: "a/x of a/x Headless\nc/x of c/x Headless"},
		{name: "deny wins", source: "service a/x Headless\nservice b/x Headless", rule: func(r *Rule) { r.Namespaces = []string{"!b", "*", "b"} }, want: "a/x of a/x Headless"},
		{name: "only denied means all others", source: "service a/x Headless\nservice b/x Headless", rule: func(r *Rule) { r.Namespaces = []string{"!b"} }, want: "a/x of a/x Headless"},
		{name: "patterns", source: "service team-a/x Headless\nservice ops/x Headless", rule: func(r *Rule) { r.Namespaces = []string{"team-*"} }, want: "team-a/x of team-a/x Headless"},
		{name: "names by template", source: plain, rule: naming("consul", "{service}-{namespace}"), want: "consul/web-shop of shop/web Headless 10.1.0.1=true"},
		{name: "the least key gets a name that several want", source: "service c/x Headless\nservice b/x Headless\nservice a/x Headless", rule: naming("all", "{service}"),
			want: "all/x of a/x Headless\ntaken b/x: the name goes to kubernetes/src \"a/x\"\ntaken c/x: the name goes to kubernetes/src \"a/x\""},
		{name: "whose mirror is there keeps its name", source: "service c/x Headless\nservice b/x Headless\nservice a/x Headless", rule: naming("all", "{service}"),
			there: "service all/x Headless\n\tmark owner=me of=id:kubernetes/src key=b/x format=1",
			want:  "all/x of b/x Headless\ntaken a/x: the name goes to kubernetes/src \"b/x\"\ntaken c/x: the name goes to kubernetes/src \"b/x\""},
		{name: "held as absence", source: plain, canon: func(*catalog.Service) (*catalog.Service, error) { return nil, nil }},
		{name: "refused, and the others go on", source: plain + "service shop/bad Headless", canon: refuseBad, want: "refused shop/bad: cannot be held\nshop/web of shop/web Headless 10.1.0.1=true"},
		{name: "outward any namespace may be written to", source: "service default/x Headless\nservice kube-system/x Headless", want: "default/x of default/x Headless\nkube-system/x of kube-system/x Headless"},
		{name: "inward protects namespaces", source: "service default/x Headless\nservice kube-system/x Headless\nservice shop/x Headless", rule: func(r *Rule) { r.Inward = true }, nsAtDest: []string{"default", "kube-system", "shop"},
			want: "refused default/x: namespace \"default\" is protected: not owned\nrefused kube-system/x: namespace \"kube-system\" is protected: not owned\nshop/x of shop/x Headless"},
		{name: "inward says once that a namespace is missing", source: "service a/x Headless\nservice a/y Headless\nservice b/x Headless", rule: func(r *Rule) { r.Inward = true }, nsAtDest: []string{"b"},
			want: "b/x of b/x Headless\nrefused /: namespace \"a\" does not exist at consul/dst"},
		{name: "from a bridge, under the original's key, but no copies of copies and none of the target's own", source: plain + farMirrors, rule: func(r *Rule) { r.Bridges = []string{"you"} },
			want: "far/api of far/api Headless 10.2.0.1=true\nshop/web of shop/web Headless 10.1.0.1=true"},
		{name: "from a bridge, by its originals' namespaces", source: plain + farMirrors, rule: func(r *Rule) { r.Bridges, r.Namespaces = []string{"you", "they"}, []string{"far"} },
			want: "far/api of far/api Headless 10.2.0.1=true\ntaken far/api: the name goes to kubernetes/src \"far/api\""},
		{name: "names by pattern", source: "service a/web Headless\nservice a/web-test Headless\nservice a/db Headless", rule: func(r *Rule) { r.Names = []string{"web*", "!*-test"} }, want: "a/web of a/web Headless"},
		{name: "instances by tag, and no service without any", source: tagged, rule: func(r *Rule) { r.Tags = []string{"v*"} }, want: "consul/web of consul/web Headless 10.1.0.1=true 10.1.0.2=true"},
		{name: "instances by what they are not tagged with", source: tagged, rule: func(r *Rule) { r.Tags = []string{"!v2"} }, want: "consul/db of consul/db Headless 10.1.0.4=true\nconsul/web of consul/web Headless 10.1.0.1=true 10.1.0.3=true"},
		{name: "a warning is ready", source: "service a/x Headless\n\tendpoint 10.1.0.1 id=a ready serving warning", want: "a/x of a/x Headless 10.1.0.1=true"},
		{name: "a warning is not passing", source: "service a/x Headless\n\tendpoint 10.1.0.1 id=a ready serving warning\n\tendpoint 10.1.0.2 id=b ready serving", rule: func(r *Rule) { r.Passing = true }, want: "a/x of a/x Headless 10.1.0.1=false 10.1.0.2=true"},
		{name: "a virtual address", source: plain, rule: func(r *Rule) { r.Inward, r.Virtual = true, true }, nsAtDest: []string{"shop"}, want: "shop/web of shop/web ClusterIP 10.1.0.1=true"},
		{name: "names are made valid", source: "service shop/my_db.v2 Headless\nservice shop/9lives Headless\nservice shop/" + strings.Repeat("long", 20) + " Headless", rule: func(r *Rule) { r.Inward = true }, nsAtDest: []string{"shop"},
			want: "shop/" + strings.Repeat("long", 13) + "lo-5aa1dce7 of shop/" + strings.Repeat("long", 20) + " Headless\nshop/my-db-v2 of shop/my_db.v2 Headless\nshop/svc-9lives of shop/9lives Headless"},
		{name: "names that become one collide", source: "service shop/my_db Headless\nservice shop/my-db Headless", rule: func(r *Rule) { r.Inward = true }, nsAtDest: []string{"shop"},
			want: "shop/my-db of shop/my-db Headless\ntaken shop/my_db: the name goes to kubernetes/src \"shop/my-db\""},
		{name: "a missing namespace is made", source: "service a/x Headless", rule: func(r *Rule) { r.Inward, r.Make = true, true }, want: "a/x of a/x Headless"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: tt.there})
			c.Feed(dst).ReplaceNamespaces(tt.nsAtDest)
			r := rule()
			if tt.rule != nil {
				tt.rule(r)
			}
			canon := tt.canon
			if canon == nil {
				canon = asIs
			}
			got := Desired(c.Snapshot(), r, MirrorsOf(c.Snapshot(), r, canon)).text()
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Desired: -want +got\n%s", diff)
			}
		})
	}
}

func address(p AddressPolicy) func(*Rule) { return func(r *Rule) { r.Address = p } }

func naming(ns, name string) func(*Rule) {
	return func(r *Rule) { r.Naming = registry.Naming{Namespace: ns, Name: name} }
}

func refuseBad(s *catalog.Service) (*catalog.Service, error) {
	if s.Name == "bad" {
		return nil, registry.ErrInvalid
	}
	return s, nil
}

// TestDesiredMark holds what a mirror says of its original.
func TestDesiredMark(t *testing.T) {
	c := sides(t, map[catalog.Origin]string{src: plain, dst: ""})
	r := rule()
	naming("consul", "{service}-{namespace}")(r)
	got := wanted(c.Snapshot(), r).Services[catalog.Key{Namespace: "consul", Name: "web-shop"}].Mark()
	want := &catalog.Mark{Owner: "me", Of: id(src), Key: catalog.Key{Namespace: "shop", Name: "web"}, Format: catalog.MarkFormat}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mark: -want +got\n%s", diff)
	}
}

// TestDesiredMarkVia holds that a copy of a copy names the original, and what it
// was read from.
func TestDesiredMarkVia(t *testing.T) {
	c := sides(t, map[catalog.Origin]string{src: farMirrors, dst: ""})
	r := rule()
	r.Bridges = []string{"you"}
	got := wanted(c.Snapshot(), r).Services[catalog.Key{Namespace: "far", Name: "api"}].Mark()
	want := &catalog.Mark{Owner: "me", Of: "kubernetes:far", Key: catalog.Key{Namespace: "far", Name: "api"}, Via: id(src), Format: catalog.MarkFormat}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mark: -want +got\n%s", diff)
	}
}

// TestMemo holds that one change costs one mirror, and that another
// registry under the same name is made anew.
func TestMemo(t *testing.T) {
	c := sides(t, map[catalog.Origin]string{src: "service a/x Headless\nservice a/y Headless", dst: ""})
	calls := 0
	count := func(s *catalog.Service) (*catalog.Service, error) { calls++; return s, nil }
	m, r := &memo{}, rule()
	walk := func(of catalog.Identity, want int) {
		t.Helper()
		calls = 0
		desired(c.Snapshot(), r, m.round(source{of: of}, MirrorsOf(c.Snapshot(), r, count)))
		if calls != want {
			t.Errorf("%d mirrors were made, want %d", calls, want)
		}
	}
	walk("1", 2)
	walk("1", 0)
	c.Feed(src).Update(parse(t, "service a/y Headless ttl=1s"), nil)
	walk("1", 1)
	walk("2", 2)
}

func TestParseAddressPolicy(t *testing.T) {
	if _, err := ParseAddressPolicy("pods"); err == nil {
		t.Error("pods: no error")
	}
	if p, err := ParseAddressPolicy("clusterip"); p != Virtual || err != nil {
		t.Errorf("clusterip: %q, %v", p, err)
	}
}

func TestCheck(t *testing.T) {
	for in, ok := range map[string]bool{"{service}-{namespace}": true, "x": true, "": false, "{name}": false, "{service": false, "a/b": false} {
		if err := CheckTemplate(in); (err == nil) != ok {
			t.Errorf("CheckTemplate(%q) = %v", in, err)
		}
	}
	for in, ok := range map[string]bool{"*": true, "!kube-*": true, "shop": true, "": false, "!": false, "[a": false, "Shop": false} {
		if err := CheckPattern(in); (err == nil) != ok {
			t.Errorf("CheckPattern(%q) = %v", in, err)
		}
	}
}
