package zookeeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

const source = catalog.Identity("source:1")

// claimed is a writer that is watched, and may write.
func claimed(t testing.TB, r *tree, owner string) *watched {
	t.Helper()
	w := watch(t, r.writer(t, owner))
	w.Synced(t)
	if err := w.Claim(t.Context(), registry.Fence{Owner: owner, Sources: []catalog.Identity{source}}, true); err != nil {
		t.Fatal(err)
	}
	return w
}

// mirrorOf is a mirror of n endpoints.
func mirrorOf(owner, name string, n int) *catalog.Service {
	s := &catalog.Service{
		Key: catalog.Key{Namespace: "zookeeper", Name: name}, Type: catalog.Headless,
		Mark: &catalog.Mark{Owner: owner, Of: source, Key: catalog.Key{Namespace: "shop", Name: name}, Format: catalog.MarkFormat},
	}
	for i := range n {
		s.Endpoints = append(s.Endpoints, catalog.Endpoint{
			ID: fmt.Sprintf("e%05d", i), Host: catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 1, byte(i / 250), byte(i%250 + 1)})},
			Ready: true, Serving: true, Ports: []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8080}},
		})
	}
	return s
}

// put puts a mirror over what stands of it, and holds that it reads back at once.
func (w *watched) put(t testing.TB, s *catalog.Service) *catalog.Service {
	t.Helper()
	over := *s
	over.Version = ""
	if is := w.Catalog.Snapshot().Get(w.Origin, s.Ref()); is != nil {
		over.Version = is.Version
	}
	r := w.Put(t.Context(), []*catalog.Service{&over})[0]
	if r.Err != nil {
		t.Fatalf("Put: %v", r.Err)
	}
	want, err := w.Canon(s)
	if err != nil {
		t.Fatal(err)
	}
	got := w.Catalog.Snapshot().Get(w.Origin, s.Ref())
	if got == nil || !got.Same(want) || got.Version != r.Version {
		t.Fatalf("after Put the feed shows, at %q,\n%.3000s\nwant\n%.3000s", r.Version, text(got), want.Text())
	}
	return got
}

// nodes lists the paths below a node of the server.
func (r *tree) nodes(t testing.TB, path string) []string {
	t.Helper()
	names, _, err := r.raw.conn.Children(path)
	if err != nil {
		t.Fatalf("list %q: %v", path, err)
	}
	slices.Sort(names)
	for i := range names {
		names[i] = path + "/" + names[i]
	}
	return names
}

// TestWritten has what stands in a server once a mirror was put.
func TestWritten(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	s := mirrorOf("prod", "web-shop", 1)
	s.Endpoints[0].Ports = append(s.Endpoints[0].Ports, catalog.Port{Name: "metrics", Proto: catalog.TCP, Number: 9090})
	w.put(t, s)
	folder := r.path + "/web-shop"
	nodes := r.nodes(t, folder)
	if len(nodes) != 1 {
		t.Fatalf("instances are %q, want one", nodes)
	}
	data, stat, err := r.raw.conn.Get(nodes[0])
	if err != nil || stat.EphemeralOwner != 0 {
		t.Fatalf("instance: %v, of session %x", err, stat.EphemeralOwner)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "registrationTimeUTC")
	delete(got, "uriSpec")
	id := strings.TrimPrefix(nodes[0], folder+"/")
	if text, want := fmt.Sprint(got), "map[address:10.1.0.1 id:"+id+" name:web-shop payload:<nil> port:8080 serviceType:PERMANENT sslPort:<nil>]"; text != want {
		t.Errorf("instance is %s, want %s", text, want)
	}
}

// TestLargeMirror holds that a mirror of more than a transaction takes, by operations
// and by bytes, is put, changed and deleted, and that nothing of it is left.
func TestLargeMirror(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	many := mirrorOf("prod", "many", 2500)
	w.put(t, many)
	for i := range 1200 {
		many.Endpoints[i].Ports = []catalog.Port{{Proto: catalog.TCP, Number: 1}}
	}
	many.Endpoints = many.Endpoints[:2000]
	many = w.put(t, many)
	wide := mirrorOf("prod", "wide", 200)
	for i := range wide.Endpoints {
		wide.Endpoints[i].Meta = map[string]string{"a": strings.Repeat("b", 3500)}
	}
	wide = w.put(t, wide)
	for _, result := range w.Delete(t.Context(), []*catalog.Service{many, wide}) {
		if result.Err != nil {
			t.Errorf("Delete %q: %v", result.Ref.Key, result.Err)
		}
	}
	for _, name := range []string{"many", "wide"} {
		if left := r.nodes(t, r.path+"/"+name); len(left) > 0 {
			t.Errorf("%d instances are left, such as %q", len(left), left[0])
		}
	}
	if left := r.nodes(t, w.layout.mirrors("prod")); len(left) > 0 {
		t.Errorf("side nodes %q are left", left)
	}
}

// TestTooLarge holds that what no side node can hold is refused by Canon and by Put.
func TestTooLarge(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	s := mirrorOf("prod", "web", 30_000)
	if c, err := w.Canon(s); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("Canon = %v, %v, want %v", c, err, registry.ErrInvalid)
	}
	ok := mirrorOf("prod", "ok", 1)
	results := w.Put(t.Context(), []*catalog.Service{s, ok})
	if !errors.Is(results[0].Err, registry.ErrInvalid) || results[1].Err != nil {
		t.Errorf("Put = %v and %v, want %v for the first alone", results[0].Err, results[1].Err, registry.ErrInvalid)
	}
}

// TestManyEndpoints holds that of a service with as many endpoints as a large one has,
// with all that is known of them, the addresses are held, that what is left out is said,
// and that the mirror is as it should be and stays so over changes.
func TestManyEndpoints(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	s := mirrorOf("prod", "web", 6000)
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		e.Pod, e.Hostname, e.Zone = "web-7d4b9c6f5d-"+e.ID, e.ID, "eu-central-1a"
		e.Node = fmt.Sprintf("ip-10-%d-%d-17.eu-central-1.compute.internal", i%250, i/250)
		e.Tags, e.Meta = []string{"blue"}, map[string]string{"a": "b", catalog.MetaMainPort: "http"}
	}
	if err := w.Reduced(s); err == nil || err.Error() != "left out: tags, metadata, nodes of endpoints; of 6000 there is no room for it" {
		t.Errorf("Reduced = %v", err)
	}
	few := *s
	few.Endpoints = s.Endpoints[:1000]
	if err := w.Reduced(&few); err != nil {
		t.Errorf("of 1000: Reduced = %v", err)
	}
	for range 2 {
		got := w.put(t, s)
		if n := len(got.Endpoints); n != len(s.Endpoints) || got.Meta[registry.MetaDrift] != "" {
			t.Fatalf("%d endpoints are held, %s", n, got.Meta[registry.MetaDrift])
		}
		if e := got.Endpoints[0]; e.Node != "" || e.Hostname == "" || e.Zone == "" || e.Pod == "" || e.Meta[catalog.MetaMainPort] != "http" {
			t.Errorf("of an endpoint is left %+v", e)
		}
		s.Endpoints = s.Endpoints[1:]
	}
}

// TestNamedAsInstance holds that no mirror has the name of a mirror's instance: its
// folder would be taken for one, and what is in it never be found.
func TestNamedAsInstance(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	s := mirrorOf("prod", "isthmus-prod-0123456789ab", 1)
	if c, err := w.Canon(s); !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("Canon = %v, %v, want %v", c, err, registry.ErrInvalid)
	}
	if err := w.Put(t.Context(), []*catalog.Service{s})[0].Err; !errors.Is(err, registry.ErrInvalid) {
		t.Errorf("Put = %v, want %v", err, registry.ErrInvalid)
	}
	w.put(t, mirrorOf("prod", "isthmus-prod-0123456789xy", 1))
}

// TestFolderGone holds that a mirror is put where the server took away the node above
// its instances, and all of its state, since it was last looked at.
func TestFolderGone(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	w := claimed(t, r, "prod")
	s := w.put(t, mirrorOf("prod", "web", 2))
	if result := w.Delete(t.Context(), []*catalog.Service{s})[0]; result.Err != nil {
		t.Fatal(result.Err)
	}
	for _, path := range []string{r.path + "/web", w.layout.mirrors("prod")} {
		if err := r.raw.conn.Delete(path, -1); err != nil {
			t.Fatalf("delete %q: %v", path, err)
		}
	}
	w.put(t, mirrorOf("prod", "web", 3))
}

// TestSideGone holds that instances whose side node was lost are no service, that they
// are refused, and that what is put at their name takes them over.
func TestSideGone(t *testing.T) {
	for _, change := range []func(*tree, string) error{
		func(r *tree, path string) error { return r.raw.conn.Delete(path, -1) },
		func(r *tree, path string) error { _, err := r.raw.conn.Set(path, []byte("oops"), -1); return err },
	} {
		r := newTree(t)
		r.words += "\nacl world"
		w := claimed(t, r, "prod")
		s := w.put(t, mirrorOf("prod", "web", 3))
		if err := change(r, w.layout.sidePath("prod", "web")); err != nil {
			t.Fatal(err)
		}
		w.Until(t, "lose the mirror", func(snap *catalog.Snapshot) bool {
			return snap.Get(w.Origin, s.Ref()) == nil && snap.State(w.Origin).Refused >= 3
		})
		w.put(t, mirrorOf("prod", "web", 2))
		w.Until(t, "refuse none", func(snap *catalog.Snapshot) bool { return snap.State(w.Origin).Refused == 0 })
		if got := r.nodes(t, r.path+"/web"); len(got) != 2 {
			t.Errorf("there are %q, want two", got)
		}
	}
}

// TestOthersUntouched holds that what others have at the name of a mirror, or above it,
// stays as it is.
func TestOthersUntouched(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	r.put(t, `web/vm {"address":"10.0.0.1","port":80}
web/isthmus-other-0123456789ab {"address":"10.0.0.2"}`)
	w := claimed(t, r, "prod")
	before := map[string]string{}
	for _, path := range r.nodes(t, r.path+"/web") {
		_, stat, err := r.raw.conn.Exists(path)
		if err != nil {
			t.Fatal(err)
		}
		before[path] = fmt.Sprint(*stat)
	}
	w.put(t, mirrorOf("prod", "web", 3))
	s := w.put(t, mirrorOf("prod", "web", 1))
	if err := w.Delete(t.Context(), []*catalog.Service{s})[0].Err; err != nil {
		t.Fatal(err)
	}
	after := r.nodes(t, r.path+"/web")
	if len(after) != len(before) {
		t.Errorf("there are %q, want as before", after)
	}
	for path, was := range before {
		if _, stat, err := r.raw.conn.Exists(path); err != nil || fmt.Sprint(*stat) != was {
			t.Errorf("%q was touched: %+v, %v", path, stat, err)
		}
	}
	if _, err := r.raw.conn.Create(r.path+"/leaf", []byte(`{"address":"10.0.0.3"}`), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once it may not be known yet, and once it is
		if err := w.Put(t.Context(), []*catalog.Service{mirrorOf("prod", "leaf", 1)})[0].Err; !errors.Is(err, registry.ErrNotOwned) {
			t.Errorf("Put below another's instance = %v, want %v", err, registry.ErrNotOwned)
		}
		w.Until(t, "leaf", func(*catalog.Snapshot) bool { return w.table.knows(r.path + "/leaf") })
	}
}

// TestRights holds what others may do with what is written: nothing but read it, or
// not even that.
func TestRights(t *testing.T) {
	user := filepath.Join(t.TempDir(), "user")
	if err := os.WriteFile(user, []byte("bridge:secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		words string
		read  error
	}{{"", nil}, {"\nacl private", zk.ErrNoAuth}} {
		r := newTree(t)
		r.words += "\nauth_file " + user + tt.words
		w := claimed(t, r, "prod")
		w.put(t, mirrorOf("prod", "web", 1))
		mine, err := w.client(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names, _, err := mine.conn.Children(r.path + "/web")
		if err != nil || len(names) != 1 {
			t.Fatalf("instances are %q, %v", names, err)
		}
		for _, path := range []string{r.path, r.path + "/web", r.path + "/web/" + names[0], w.layout.sidePath("prod", "web"), w.layout.fencePath(), w.claimedFence().node()} {
			if _, _, err := r.raw.conn.Get(path); !errors.Is(err, tt.read) {
				t.Errorf("a stranger reads %q: %v, want %v", path, err, tt.read)
			}
			if _, err := r.raw.conn.Set(path, nil, -1); !errors.Is(err, zk.ErrNoAuth) {
				t.Errorf("a stranger sets %q: %v, want %v", path, err, zk.ErrNoAuth)
			}
			if _, err := r.raw.conn.Create(path+"/x", nil, 0, zk.WorldACL(zk.PermAll)); !errors.Is(err, zk.ErrNoAuth) {
				t.Errorf("a stranger creates below %q: %v, want %v", path, err, zk.ErrNoAuth)
			}
		}
		if err := r.raw.conn.Delete(r.path+"/web/"+names[0], -1); !errors.Is(err, zk.ErrNoAuth) {
			t.Errorf("a stranger deletes an instance: %v, want %v", err, zk.ErrNoAuth)
		}
	}
}

// TestNoRights holds that nothing is written that everybody may change, unless told so,
// and that a node which we may not write below is one service's error.
func TestNoRights(t *testing.T) {
	r := newTree(t)
	if w, err := r.config(t).Writer("prod", discard()); !errors.Is(err, errWorld) {
		t.Errorf("Writer = %v, %v, want %v", w, err, errWorld)
	}
	r.words += "\nacl world"
	r.write(t, r.path+"/theirs", "")
	if _, err := r.raw.conn.SetACL(r.path+"/theirs", zk.WorldACL(zk.PermRead), -1); err != nil {
		t.Fatal(err)
	}
	w := claimed(t, r, "prod")
	results := w.Put(t.Context(), []*catalog.Service{mirrorOf("prod", "theirs", 1), mirrorOf("prod", "web", 1)})
	if !errors.Is(results[0].Err, zk.ErrNoAuth) || results[1].Err != nil {
		t.Errorf("Put = %v and %v, want %v for the first alone", results[0].Err, results[1].Err, zk.ErrNoAuth)
	}
	r.words = "path " + r.path + "\nformat nerve\nacl world"
	if w, err := r.config(t).Writer("prod", discard()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Writer = %v, %v, want %v", w, err, errors.ErrUnsupported)
	}
}

// TestDynamic holds that instances that go with a session are written by the one that
// writes now, once another took its place and once it was lost.
func TestDynamic(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world\ndynamic\nsession_timeout 2s"
	w := claimed(t, r, "prod")
	s := w.put(t, mirrorOf("prod", "web", 2))
	owners := func() (all []int64) {
		for _, path := range r.nodes(t, r.path+"/web") {
			_, stat, err := r.raw.conn.Exists(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, stat.EphemeralOwner)
		}
		return all
	}
	first := owners()
	if len(first) != 2 || first[0] == 0 || first[0] != first[1] {
		t.Fatalf("instances go with sessions %x, want one", first)
	}
	live, err := w.client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	live.end(errLost) // as if the connection broke
	w.Until(t, "drift", func(snap *catalog.Snapshot) bool {
		is := snap.Get(w.Origin, s.Ref())
		return is != nil && is.Meta[registry.MetaDrift] != ""
	})
	w.put(t, mirrorOf("prod", "web", 2))
	second := owners()
	if len(second) != 2 || second[0] == first[0] || second[0] != second[1] {
		t.Fatalf("instances go with sessions %x, and went with %x", second, first)
	}
}
