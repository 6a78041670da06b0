package catalog

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUnify has the rows of Lookup's table. What an origin holds is given in
// text form; "-" before the origin means that it is not synced.
func TestUnify(t *testing.T) {
	two := []OriginPolicy{{Origin: "kubernetes/a", Speaks: true}, {Origin: "consul/b", Given: []string{"consul", "default"}}}
	trusting := []OriginPolicy{two[0], {Origin: "consul/b", Given: []string{"consul"}, Trust: []string{"prod"}}}
	mirror := "service consul/web-shop Headless\n\tmark owner=prod of=%s key=shop/web format=1\n\tendpoint 10.9.9.9 id=m ready"
	for _, tt := range []struct {
		name   string
		policy []OriginPolicy
		merge  Merge
		spaces []string
		a, b   string
		key    string
		want   string // hosts of the endpoints, "none", or "pending"
	}{
		{name: "a speaker's own", policy: two, spaces: []string{"shop"}, a: ep("shop/web", "10.0.0.1"), key: "shop/web", want: "10.0.0.1"},
		{name: "another in a namespace that is spoken for", policy: two, spaces: []string{"shop"}, b: ep("shop/web", "10.0.0.2"), key: "shop/web", want: "none"},
		{name: "another in a namespace of nobody", policy: two, b: ep("x/web", "10.0.0.2"), key: "x/web", want: "10.0.0.2"},
		{name: "another, the speaker not synced", policy: two, a: "-", b: ep("x/web", "10.0.0.2"), key: "x/web", want: "pending"},
		{name: "given namespace", policy: two, spaces: []string{"consul"}, b: ep("consul/web", "10.0.0.2"), key: "consul/web", want: "10.0.0.2"},
		{name: "given namespace, the speaker not synced", policy: two, a: "-", b: ep("consul/web", "10.0.0.2"), key: "consul/web", want: "10.0.0.2"},
		{name: "given namespace, the speaker holds the name", policy: two, spaces: []string{"consul"}, a: ep("consul/web", "10.0.0.1"), b: ep("consul/web", "10.0.0.2"), key: "consul/web", want: "10.0.0.1"},
		{name: "union", policy: two, merge: Union, spaces: []string{"consul"}, a: ep("consul/web", "10.0.0.1"), b: ep("consul/web", "10.0.0.2"), key: "consul/web", want: "10.0.0.1 10.0.0.2"},
		{name: "failover to the ready one", policy: two, merge: Failover, spaces: []string{"consul"}, a: "service consul/web Headless\n\tendpoint 10.0.0.1 id=x", b: ep("consul/web", "10.0.0.2"), key: "consul/web", want: "10.0.0.2"},
		{name: "default is never given away", policy: two, b: ep("default/kubernetes", "10.6.6.6"), key: "default/kubernetes", want: "none"},
		{name: "nobody speaks", policy: two[1:], b: ep("default/web", "10.0.0.2"), key: "default/web", want: "10.0.0.2"},
		{name: "mirror of an origin here, under its own key", policy: two, b: strings.Replace(mirror, "%s", "kubernetes:1", 1), key: "consul/web-shop", want: "10.9.9.9"},
		{name: "mirror of an origin here, under its original's key", policy: trusting, b: strings.Replace(mirror, "%s", "kubernetes:1", 1), key: "shop/web", want: "none"},
		{name: "mirror of an origin here that is not synced", policy: trusting, a: "-", b: strings.Replace(mirror, "%s", "kubernetes:1", 1), key: "shop/web", want: "pending"},
		{name: "mirror of another registry", policy: two, b: strings.Replace(mirror, "%s", "kubernetes:2", 1), key: "consul/web-shop", want: "10.9.9.9"},
		{name: "its mark's key, owner not trusted", policy: two[1:], b: strings.Replace(mirror, "%s", "kubernetes:2", 1), key: "shop/web", want: "none"},
		{name: "its mark's key, owner trusted", policy: []OriginPolicy{{Origin: "consul/b", Trust: []string{"prod"}}}, b: strings.Replace(mirror, "%s", "kubernetes:2", 1), key: "shop/web", want: "10.9.9.9"},
		{name: "native and mirror of one origin answer together", policy: two[1:], b: ep("consul/web-shop", "10.0.0.2") + "\n" + strings.Replace(mirror, "%s", "kubernetes:2", 1), key: "consul/web-shop", want: "10.0.0.2 10.9.9.9"},
	} {
		for _, packed := range []bool{false, true} {
			c := New(Policy{Origins: tt.policy, Merge: tt.merge, Packed: packed})
			if tt.a != "-" && tt.policy[0].Speaks {
				f := c.Feed("kubernetes/a")
				f.Identify("kubernetes:1")
				f.ReplaceNamespaces(tt.spaces)
				f.Replace(services(t, tt.a))
			}
			c.Feed("consul/b").Replace(services(t, tt.b))
			key, err := ParseKey(tt.key)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, answer(c.Snapshot(), key)); diff != "" {
				t.Errorf("%s, packed %v: Lookup(%s) (-want +got):\n%s", tt.name, packed, key, diff)
			}
		}
	}
}

func ep(key, addr string) string {
	return "service " + key + " Headless\n\tendpoint " + addr + " id=" + addr + " ready"
}

func answer(s *Snapshot, k Key) string {
	svc := s.Lookup(k)
	switch {
	case svc != nil:
		var hosts []string
		for _, e := range svc.Endpoints {
			hosts = append(hosts, e.Host.String())
		}
		if svc.Key != k {
			return "wrong key " + svc.Key.String()
		}
		return strings.Join(hosts, " ")
	case s.Pending(k.Namespace):
		return "pending"
	}
	return "none"
}

// TestSinceSeesPolicy holds that Since names keys whose answer changed because
// a namespace or an identity did, not the services themselves.
func TestSinceSeesPolicy(t *testing.T) {
	c := New(Policy{Origins: []OriginPolicy{{Origin: "kubernetes/a", Speaks: true}, {Origin: "consul/b"}}})
	k := c.Feed("kubernetes/a")
	k.Replace(nil)
	c.Feed("consul/b").Replace(services(t, ep("shop/web", "10.0.0.2")))
	before := c.Snapshot()
	k.UpdateNamespaces([]string{"shop"}, nil)
	if got := c.Snapshot().Since(before); len(got) != 1 {
		t.Errorf("Since after a namespace came = %v, want shop/web", got)
	}
	before = c.Snapshot()
	k.Identify("kubernetes:9")
	if got := c.Snapshot().Since(before); len(got) != 1 {
		t.Errorf("Since after an identity changed = %v, want shop/web", got)
	}
}

func TestPending(t *testing.T) {
	bound := OriginPolicy{Origin: "consul/b", Given: []string{"consul"}, Bound: true}
	free := OriginPolicy{Origin: "etcd/c", Given: []string{"etcd"}}
	speaks := OriginPolicy{Origin: "kubernetes/a", Speaks: true}
	for _, tt := range []struct {
		name   string
		policy []OriginPolicy
		synced []Origin
		want   string // namespaces that are pending, of those asked for; "addr" for addresses
	}{
		{"nothing synced", []OriginPolicy{speaks, bound, free}, nil, "shop consul etcd com default addr"},
		{"the speaker synced", []OriginPolicy{speaks, bound, free}, []Origin{"kubernetes/a"}, "consul etcd com"},
		{"the speaker and the free one synced", []OriginPolicy{speaks, bound, free}, []Origin{"kubernetes/a", "etcd/c"}, "consul"},
		{"all synced", []OriginPolicy{speaks, bound, free}, []Origin{"kubernetes/a", "etcd/c", "consul/b"}, ""},
		{"nobody speaks", []OriginPolicy{bound}, nil, "consul addr"},
		{"nobody speaks, a free one", []OriginPolicy{free}, nil, "shop consul etcd com default addr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := New(Policy{Origins: tt.policy})
			for _, o := range tt.synced {
				f := c.Feed(o)
				if o.Type() == "kubernetes" {
					f.ReplaceNamespaces([]string{"shop", "default"})
				}
				f.Replace(nil)
			}
			var pending []string
			for _, ns := range []string{"shop", "consul", "etcd", "com", "default"} {
				if c.Snapshot().Pending(ns) {
					pending = append(pending, ns)
				}
			}
			if c.Snapshot().PendingAddr() {
				pending = append(pending, "addr")
			}
			if got := strings.Join(pending, " "); got != tt.want {
				t.Errorf("pending: %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSinceSeesFirstSync holds that Since names the mirrors that stop answering
// once their original's registry is synced.
func TestSinceSeesFirstSync(t *testing.T) {
	c := New(Policy{Origins: []OriginPolicy{{Origin: "etcd/c"}, {Origin: "consul/b"}}})
	c.Feed("etcd/c").Replace(services(t, "service shop/web Headless\n\tmark owner=prod of=consul:1 key=shop/web format=1\n\tendpoint 10.9.9.9 id=m ready"))
	c.Feed("consul/b").Identify("consul:1")
	before := c.Snapshot()
	if before.Lookup(Key{"shop", "web"}) == nil {
		t.Error("a mirror is silent before its original's registry is synced")
	}
	c.Feed("consul/b").Replace(nil)
	if got := c.Snapshot().Since(before); len(got) != 1 || c.Snapshot().Lookup(Key{"shop", "web"}) != nil {
		t.Errorf("Since = %v, want shop/web, which answers no more", got)
	}
}
