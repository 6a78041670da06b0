package zookeeper

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// instances is how many each service has in what follows.
const instances = 10

// first is the address of an instance at first.
func first(service, instance int) string { return fmt.Sprintf("10.0.%d.%d", service, instance+1) }

// fill makes services s0, s1 and so on with instances i0, i1 and so on.
func (r *tapped) fill(t *testing.T, services int) {
	t.Helper()
	r.write(t, r.path, "")
	var ops []any
	add := func(path, data string) {
		ops = append(ops, &zk.CreateRequest{Path: path, Data: []byte(data), Acl: zk.WorldACL(zk.PermAll)})
	}
	for s := range services {
		add(fmt.Sprintf("%s/s%d", r.path, s), "")
		for i := range instances {
			add(fmt.Sprintf("%s/s%d/i%d", r.path, s, i), at(first(s, i)))
		}
	}
	if !r.many(ops) {
		t.Fatal("the services are not made")
	}
}

// reading is all that is asked by who reads everything, each thing once: at the root
// what is below it, at each service's node what it holds and what is below, and what
// each instance holds. There is no state of bridges, which is asked for twice.
func (r *tapped) reading(services int) []string {
	sides := newLayout(r.path, curator, "zookeeper").sides()
	all := []string{"sync /", "getChildren2 " + r.path, "getChildren2 " + sides, "exists " + sides}
	for s := range services {
		path := fmt.Sprintf("%s/s%d", r.path, s)
		all = append(all, "getData "+path, "getChildren2 "+path)
		for i := range instances {
			all = append(all, fmt.Sprintf("getData %s/i%d", path, i))
		}
	}
	slices.Sort(all)
	return all
}

// watchesOf is how many watches a server keeps of one reader: one of each root, two of
// each service's node and one of each instance.
func watchesOf(services, instances int) int { return 2 + 2*services + instances }

// shows waits until a service has an instance at an address, or none where that is empty.
func (w *watched) shows(t *testing.T, service, instance, address string) {
	t.Helper()
	w.Until(t, service+"/"+instance+" is at "+address, func(s *catalog.Snapshot) bool {
		svc := s.Get(w.Origin, catalog.Ref{Key: catalog.Key{Namespace: "zookeeper", Name: service}})
		if svc == nil {
			return address == ""
		}
		i := slices.IndexFunc(svc.Endpoints, func(e catalog.Endpoint) bool { return e.ID == instance })
		if i < 0 {
			return address == ""
		}
		return svc.Endpoints[i].Host.String() == address
	})
}

// TestRequests holds what a reader asks and how many watches the server keeps for it:
// of everything each thing once, also by another session, and of what changed only
// that, whatever else there is.
func TestRequests(t *testing.T) {
	for _, services := range []int{50, 200} {
		t.Run(fmt.Sprintf("%d services", services), func(t *testing.T) {
			r := newTapped(t, "1h")
			r.fill(t, services)
			w := watch(t, r.reader(t))
			w.Synced(t)
			r.keeps(t, watchesOf(services, services*instances))
			r.asks(t, "everything", r.reading(services)...)
			for _, c := range changes {
				c.do(t, r, w)
				r.keeps(t, watchesOf(services+c.services, services*instances+c.instances))
				var want []string
				for _, q := range c.asks {
					want = append(want, strings.Replace(q, "PATH", r.path, 1))
				}
				r.asks(t, c.name, want...)
			}
			r.link.Cut()
			w.Until(t, "lose the connection", func(s *catalog.Snapshot) bool { return !s.State(w.Origin).Connected })
			r.link.Heal()
			w.Until(t, "be there again", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Connected })
			r.keeps(t, watchesOf(services, services*instances))
			r.asks(t, "everything again", r.reading(services)...)
		})
	}
}

// changes are made one after the other, and seen, with what a reader asks because of
// each, and how many services and instances there are then beside those of before.
var changes = []struct {
	name                string
	do                  func(*testing.T, *tapped, *watched)
	asks                []string
	services, instances int
}{
	{"an instance more", func(t *testing.T, r *tapped, w *watched) {
		r.write(t, r.path+"/s7/new", at("10.1.0.1"))
		w.shows(t, "s7", "new", "10.1.0.1")
	}, []string{"getChildren2 PATH/s7", "getData PATH/s7/new"}, 0, 1},
	{"an instance changed", func(t *testing.T, r *tapped, w *watched) {
		r.write(t, r.path+"/s7/new", at("10.1.0.2"))
		w.shows(t, "s7", "new", "10.1.0.2")
	}, []string{"getData PATH/s7/new"}, 0, 1},
	{"an instance less", func(t *testing.T, r *tapped, w *watched) {
		r.remove(t, "s7/new")
		w.shows(t, "s7", "new", "")
	}, []string{"getChildren2 PATH/s7"}, 0, 0},
	{"a service's node changed", func(t *testing.T, r *tapped, _ *watched) {
		r.write(t, r.path+"/s7", "text")
	}, []string{"getData PATH/s7"}, 0, 0},
	{"a service more", func(t *testing.T, r *tapped, w *watched) {
		acl := zk.WorldACL(zk.PermAll)
		if !r.many([]any{
			&zk.CreateRequest{Path: r.path + "/web", Acl: acl},
			&zk.CreateRequest{Path: r.path + "/web/a", Data: []byte(at("10.1.0.3")), Acl: acl},
		}) {
			t.Fatal("web is not made")
		}
		w.shows(t, "web", "a", "10.1.0.3")
	}, []string{"getChildren2 PATH", "getData PATH/web", "getChildren2 PATH/web", "getData PATH/web/a"}, 1, 1},
	{"a service of no instance", func(t *testing.T, r *tapped, w *watched) {
		r.remove(t, "web/a")
		w.shows(t, "web", "a", "")
	}, []string{"getChildren2 PATH/web"}, 1, 0},
	{"a service less", func(t *testing.T, r *tapped, _ *watched) {
		r.remove(t, "web")
	}, []string{"getChildren2 PATH"}, 0, 0},
}

// TestRequestsOverTime holds that after a thousand changes there are as many watches as
// before, and that no change cost more than the first of its kind.
func TestRequestsOverTime(t *testing.T) {
	const services, rounds = 50, 334
	r := newTapped(t, "1h")
	r.fill(t, services)
	w := watch(t, r.reader(t))
	w.Synced(t)
	r.tap.take()
	var want []string
	for n := range rounds {
		service := fmt.Sprintf("s%d", n%services)
		path := fmt.Sprintf("%s/%s/new", r.path, service)
		for _, op := range []struct {
			do      any
			address string
		}{
			{&zk.CreateRequest{Path: path, Data: []byte(at("10.1.0.1")), Acl: zk.WorldACL(zk.PermAll)}, "10.1.0.1"},
			{&zk.SetDataRequest{Path: path, Data: []byte(at("10.1.0.2")), Version: -1}, "10.1.0.2"},
			{&zk.DeleteRequest{Path: path, Version: -1}, ""},
		} {
			if !r.many([]any{op.do}) {
				t.Fatalf("round %d: not done: %+v", n, op.do)
			}
			w.shows(t, service, "new", op.address)
		}
		want = append(want, "getChildren2 "+parent(path), "getData "+path, "getData "+path, "getChildren2 "+parent(path))
	}
	r.keeps(t, watchesOf(services, services*instances))
	r.asks(t, "the changes", want...)
}

// TestRequestsOfComparison holds that a comparison asks for the state of each node, once.
func TestRequestsOfComparison(t *testing.T) {
	const services = 50
	r := newTapped(t, "1s")
	r.fill(t, services)
	w := watch(t, r.reader(t))
	w.Synced(t)
	want := append(r.reading(services), "exists "+r.path, "exists "+w.layout.sides())
	for s := range services {
		path := fmt.Sprintf("%s/s%d", r.path, s)
		want = append(want, "exists "+path)
		for i := range instances {
			want = append(want, fmt.Sprintf("exists %s/i%d", path, i))
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, r.tap.await(t, len(want))); diff != "" {
		t.Errorf("asked with one comparison (-want +got):\n%.3000s", diff)
	}
}
