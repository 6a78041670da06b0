package catalog

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// barePolicy is a cluster and two registries beside it, of which the first is
// given a namespace.
func barePolicy(bare bool) Policy {
	return Policy{Origins: []OriginPolicy{
		{Origin: "kubernetes/a", Speaks: true, Bare: bare},
		{Origin: "consul/b", Given: []string{"consul"}, Trust: []string{"prod"}, Bare: bare},
		{Origin: "etcd/c", Bare: bare},
	}}
}

const mirrorOfWeb = `service consul/web-shop Headless version="7"
	mark owner=prod of=k1 key=shop/web format=1
	meta a=b
	endpoint 10.1.1.1 id=a ready serving
`

func TestBare(t *testing.T) {
	c := New(barePolicy(true))
	k8s, consul, mirror := c.Feed("kubernetes/a"), c.Feed("consul/b"), Key{"consul", "web-shop"}
	held := func() *Service { return c.Snapshot().Get("consul/b", Ref{mirror, "prod"}) }
	c.Feed("etcd/c").Replace(nil)
	k8s.Identify("k1")
	consul.Replace(services(t, mirrorOfWeb))
	if held().Bare {
		t.Error("a mirror is bare before its original's registry is synced")
	}
	k8s.Replace(services(t, "service shop/web ClusterIP\n\taddr 10.0.0.1"))
	want := &Service{Key: mirror, Origin: "consul/b", Mark: &Mark{Owner: "prod", Of: "k1", Key: Key{"shop", "web"}, Format: 1}, Bare: true}
	if diff := cmp.Diff(want, held()); diff != "" {
		t.Errorf("kept of the mirror (-want +got):\n%s", diff)
	}
	for _, k := range []Key{mirror, {"shop", "web"}} {
		if svc := c.Snapshot().Lookup(k); svc != nil && svc.Mark != nil {
			t.Errorf("a bare mirror answers for %q", k)
		}
	}
	before := c.Snapshot()
	consul.Update(services(t, mirrorOfWeb), nil)
	consul.Replace(services(t, mirrorOfWeb))
	if changed := c.Snapshot().Since(before); len(changed) != 0 {
		t.Errorf("the mirror again changes %v", changed)
	}
	k8s.Identify("k2")
	s := c.Snapshot()
	if !s.State("consul/b").Hollow || !s.Pending("consul") || s.Lookup(mirror) != nil {
		t.Errorf("its registry is another one now, and the state is %+v", s.State("consul/b"))
	}
	consul.Replace(services(t, mirrorOfWeb))
	if s := c.Snapshot(); s.State("consul/b").Hollow || s.Pending("consul") || len(s.Lookup(mirror).Endpoints) != 1 {
		t.Errorf("read again, it answers %v, and the state is %+v", s.Lookup(mirror), s.State("consul/b"))
	}
}

// TestKept holds that a feed says what will be kept of a mirror, and that what
// was left out too early is asked for again.
func TestKept(t *testing.T) {
	c := New(barePolicy(true))
	k8s, consul := c.Feed("kubernetes/a"), c.Feed("consul/b")
	mirror := services(t, mirrorOfWeb)[0]
	if kept := consul.Kept(mirror); kept != mirror || kept.Origin != "consul/b" {
		t.Errorf("before the original's registry is known, %+v is kept", kept)
	}
	k8s.Identify("k1")
	k8s.Replace(services(t, "service shop/web ClusterIP\n\taddr 10.0.0.1"))
	kept := consul.Kept(mirror)
	want := &Service{Key: mirror.Key, Origin: "consul/b", Mark: &Mark{Owner: "prod", Of: "k1", Key: Key{"shop", "web"}, Format: 1}, Bare: true}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("kept of the mirror (-want +got):\n%s", diff)
	}
	consul.Replace([]*Service{kept})
	if s := c.Snapshot().State("consul/b"); s.Hollow {
		t.Errorf("the original is here, and the state is %+v", s)
	}
	all := New(Policy{})
	consul.Join(all)
	if kept := consul.Kept(mirror); kept != mirror {
		t.Errorf("a catalog needs it whole, and %+v would be kept", kept)
	}
	consul.Replace([]*Service{kept})
	if !consul.Hollow() || c.Snapshot().State("consul/b").Hollow {
		t.Error("a catalog that needs mirrors whole does not ask for them")
	}
	consul.Replace([]*Service{mirror})
	if consul.Hollow() {
		t.Error("a catalog that has all asks for more")
	}
	k8s.Identify("k2")
	consul.Update([]*Service{kept}, nil)
	if !c.Snapshot().State("consul/b").Hollow {
		t.Error("the original went meanwhile, and nobody asks for the mirror")
	}
}

// TestBareJoined holds that a catalog without the original, which takes over
// from one that has it, asks for what that did not keep.
func TestBareJoined(t *testing.T) {
	first := New(barePolicy(true))
	k8s, consul := first.Feed("kubernetes/a"), first.Feed("consul/b")
	k8s.Identify("k1")
	k8s.Replace(nil)
	consul.Replace(services(t, mirrorOfWeb))
	alone := New(Policy{Origins: []OriginPolicy{{Origin: "consul/b", Bare: true}}})
	consul.Join(alone)
	if !consul.Hollow() || consul.State().Hollow || !alone.Snapshot().Pending("consul") {
		t.Errorf("hollow is %v, in the first catalog %v", consul.Hollow(), consul.State().Hollow)
	}
	consul.Replace(services(t, mirrorOfWeb))
	k := Key{"consul", "web-shop"}
	if a, b := first.Snapshot().Lookup(k), alone.Snapshot().Lookup(k); a != nil || b == nil || consul.Hollow() {
		t.Errorf("read again, one answers %v and the other %v", a, b)
	}
	both := New(barePolicy(true))
	consul.Join(both)
	k8s.Join(both)
	if consul.Hollow() || both.Snapshot().Lookup(k) != nil {
		t.Error("a catalog that took over both is hollow")
	}
}

// TestBareAnswersAsWhole drives the same reports into a catalog that keeps
// mirrors bare and into one that keeps them whole but is never told of those
// which must not answer. Both answer the same, but for what is pending.
func TestBareAnswersAsWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := barePolicy(true)
		policy.Packed = rapid.Bool().Draw(t, "packed")
		m := &bareModel{catalog: New(policy), origins: map[Origin]*bareOrigin{}}
		for _, op := range barePolicy(true).Origins {
			m.origins[op.Origin] = &bareOrigin{held: map[Ref]*Service{}}
		}
		origin := rapid.SampledFrom([]Origin{"kubernetes/a", "consul/b", "etcd/c"})
		t.Repeat(map[string]func(*rapid.T){
			"identify": func(t *rapid.T) { m.identify(origin.Draw(t, "origin"), drawIdentity(t)) },
			"replace":  func(t *rapid.T) { m.replace(origin.Draw(t, "origin")) },
			"put":      func(t *rapid.T) { m.put(origin.Draw(t, "origin"), drawService(t)) },
			"drop":     func(t *rapid.T) { m.drop(origin.Draw(t, "origin"), drawService(t).Ref()) },
			"":         m.check,
		})
	})
}

func drawIdentity(t *rapid.T) Identity {
	return rapid.SampledFrom([]Identity{"k1", "k2", "c1"}).Draw(t, "identity")
}

func drawKey(t *rapid.T) Key {
	return Key{rapid.SampledFrom([]string{"shop", "consul"}).Draw(t, "namespace"), rapid.SampledFrom([]string{"web", "db"}).Draw(t, "name")}
}

func drawService(t *rapid.T) *Service {
	s := &Service{Key: drawKey(t), Type: Headless, Alias: fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "content"))}
	if rapid.Bool().Draw(t, "mirror") {
		s.Mark = &Mark{Owner: rapid.SampledFrom([]string{"prod", "dev"}).Draw(t, "owner"), Of: drawIdentity(t), Key: drawKey(t), Format: 1}
	}
	return s
}

// bareModel is what each origin holds, whole.
type bareModel struct {
	catalog *Catalog
	origins map[Origin]*bareOrigin
}

type bareOrigin struct {
	identity Identity
	synced   bool
	held     map[Ref]*Service
}

func (m *bareModel) identify(o Origin, id Identity) {
	m.origins[o].identity = id
	m.catalog.Feed(o).Identify(id)
}

func (m *bareModel) replace(o Origin) {
	m.origins[o].synced = true
	m.catalog.Feed(o).Replace(copies(m.origins[o].held))
}

func (m *bareModel) put(o Origin, svc *Service) {
	m.origins[o].held[svc.Ref()] = svc
	if m.origins[o].synced {
		m.catalog.Feed(o).Update(copies(map[Ref]*Service{svc.Ref(): svc}), nil)
	}
}

func (m *bareModel) drop(o Origin, ref Ref) {
	delete(m.origins[o].held, ref)
	if m.origins[o].synced {
		m.catalog.Feed(o).Update(nil, []Ref{ref})
	}
}

// copies are services of the catalog's own.
func copies(held map[Ref]*Service) []*Service {
	var all []*Service
	for _, svc := range held {
		own := *svc
		all = append(all, &own)
	}
	return all
}

// answers is a catalog of what may answer.
func (m *bareModel) answers() *Snapshot {
	synced := map[Identity]bool{}
	for _, o := range m.origins {
		synced[o.identity] = synced[o.identity] || o.synced
	}
	c := New(barePolicy(false))
	for name, o := range m.origins {
		c.Feed(name).Identify(o.identity)
		if !o.synced {
			continue
		}
		rest := maps.Clone(o.held)
		maps.DeleteFunc(rest, func(_ Ref, svc *Service) bool { return svc.Mark != nil && synced[svc.Mark.Of] })
		c.Feed(name).Replace(copies(rest))
	}
	return c.Snapshot()
}

func (m *bareModel) check(t *rapid.T) {
	want, got := m.answers(), m.catalog.Snapshot()
	hollow := false
	for _, st := range got.Origins() {
		hollow = hollow || st.Hollow
	}
	for _, k := range []Key{{"shop", "web"}, {"shop", "db"}, {"consul", "web"}, {"consul", "db"}} {
		a, b := want.Lookup(k), got.Lookup(k)
		if (a == nil) == (b == nil) && (a == nil || a.Same(b)) {
			continue
		}
		if !hollow || a == nil || !got.Pending(k.Namespace) && b == nil {
			t.Fatalf("Lookup(%q) = %+v, want %+v; origins %+v", k, b, a, got.Origins())
		}
	}
	if !hollow {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m.origins)) {
		if got.State(name).Hollow {
			m.replace(name)
		}
	}
	m.check(t)
}
