package zookeeper

import (
	"sync/atomic"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestWroteBeforeRead holds that nothing which a server told before it took a write of
// ours undoes that write: no list, no answer, and not that there is no such node.
func TestWroteBeforeRead(t *testing.T) {
	k := newKnown()
	k.layout.owner, k.layout.live = "prod", new(atomic.Int64)
	k.begin("x")
	k.replace(k.feed)
	ref := mirrorOf("prod", "web", 1).Ref()
	there := func() bool {
		k.tell()
		s := k.catalog.Snapshot().Get("zookeeper/x", ref)
		return s != nil && len(s.Endpoints) == 1 && s.Meta[registry.MetaDrift] == ""
	}
	want, err := k.layout.encode(mirrorOf("prod", "web", 1), options{Registered: 7})
	if err != nil {
		t.Fatal(err)
	}
	ops := []op{{do: create, path: want[0].path, data: want[0].data}, {do: create, path: want[1].path, data: want[1].data}}
	k.wrote(ops, []string{"web"}, 100, 0)
	if !there() {
		t.Fatal("a write is not told at once")
	}
	older := &zk.Stat{Pzxid: 99}
	for _, path := range []string{"/services", "/services/web", k.layout.sides(), k.layout.mirrors("prod")} {
		k.setList(path, nil, older)
		k.drop(path + "/nothing")
	}
	k.drop(want[1].path)
	k.set(k.read(want[1].path, []byte("oops"), &zk.Stat{Czxid: 50, Mzxid: 60}))
	if !there() {
		t.Error("what was told before the write undid it")
	}
	all := []op{{do: remove, path: want[0].path}, {do: remove, path: want[1].path}}
	k.wrote(all, []string{"web"}, 200, 0)
	_, id := k.layout.split(want[1].path)
	if asked := k.setList("/services/web", []string{id}, &zk.Stat{Pzxid: 150}); len(asked) > 0 {
		t.Errorf("a list from before a removal has %v asked", asked)
	}
	if s := k.catalog.Snapshot().Get("zookeeper/x", ref); s != nil {
		t.Errorf("removed, and there is\n%s", s.Text())
	}
	if asked := k.setList("/services/web", []string{id}, &zk.Stat{Pzxid: 250}); len(asked) != 1 {
		t.Errorf("a list from after a removal has %v asked, want one that was made anew", asked)
	}
	if k.setList("/services/web", nil, &zk.Stat{Pzxid: 300}); k.knows(want[1].path) {
		t.Errorf("a newer list does not take a node away")
	}
}

// TestBeside holds beside whom a mirror's instances are found.
func TestBeside(t *testing.T) {
	z := new(zookeeper)
	ours := mirrorOf("prod", "a-b", 1)
	for name, ok := range map[string]bool{"a-b": true, "a/b": false, "A-b": false, "a-b/dubbo": false} {
		data := `{"address":"10.0.0.1"}`
		if name == "a-b/dubbo" {
			name, data = "a-b", dubboData
		}
		r, err := services.parse(znode{path: "/services/" + name + "/x", data: []byte(data)})
		if err != nil {
			t.Fatal(err)
		}
		all, _ := services.decode(name, []*record{r}, nil)
		if err := z.Beside(ours, all[0]); (err == nil) != ok {
			t.Errorf("beside %q: %v, want ok %v", name, err, ok)
		}
	}
	if err := z.Beside(ours, &catalog.Service{Key: ours.Key, Mark: &catalog.Mark{Owner: "other"}}); err != nil {
		t.Errorf("beside another's mirror: %v", err)
	}
}
