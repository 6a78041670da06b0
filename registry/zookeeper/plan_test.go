package zookeeper

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// standalone is a server with nothing but nodes.
type standalone struct {
	nodes map[string]znode
	zxid  int64
}

// do does a transaction, or nothing if a server would refuse it.
func (s *standalone) do(ops []op) error {
	next := maps.Clone(s.nodes)
	for _, o := range ops {
		is, there := next[o.path]
		switch {
		case o.do == create && there:
			return fmt.Errorf("create %q: it is there", o.path)
		case o.do == create:
			next[o.path] = znode{path: o.path, data: o.data, czxid: s.zxid + 1, mzxid: s.zxid + 1}
		case !there || is.version != o.version:
			return fmt.Errorf("%v of %q at version %d: there %v, at %d", o.do, o.path, o.version, there, is.version)
		case o.do == set:
			is.data, is.mzxid, is.version = o.data, s.zxid+1, is.version+1
			next[o.path] = is
		case o.do == remove:
			delete(next, o.path)
		}
	}
	s.nodes, s.zxid = next, s.zxid+1
	return nil
}

// mirror is what it holds of our mirror "web".
func (s *standalone) mirror(l layout) *mirror {
	m := &mirror{owner: l.owner, instances: map[string]*record{}}
	for _, n := range s.nodes {
		if l.role(n.path) == sidecar {
			_, m.side = l.parseSide(n)
		} else if r, _ := l.parse(n); r != nil {
			m.instances[r.id] = r
		}
	}
	return m
}

func (s *standalone) service(l layout) *catalog.Service {
	all := readAll(l, slices.Collect(maps.Values(s.nodes)))
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// planned is what leads from what it holds to s, nil for a service that is to go.
func (s *standalone) planned(t *rapid.T, l layout, to *catalog.Service) *plan {
	if to == nil {
		return l.removal("web", s.mirror(l))
	}
	want, err := l.encode(to, options{Registered: 7})
	if err != nil {
		t.Fatal(err)
	}
	return l.change("web", s.mirror(l), want)
}

func drawMirror(t *rapid.T) *catalog.Service {
	s := &catalog.Service{
		Key: catalog.Key{Namespace: "zookeeper", Name: "web"}, Type: catalog.Headless,
		Mark: &catalog.Mark{Owner: "prod", Of: "x:1", Key: catalog.Key{Namespace: "s", Name: "w"}, Format: 1},
	}
	port := catalog.Port{Proto: catalog.TCP, Number: uint16(rapid.IntRange(1, 2).Draw(t, "port"))}
	for i := range 12 {
		if rapid.Bool().Draw(t, "endpoint") {
			s.Endpoints = append(s.Endpoints, catalog.Endpoint{
				ID: fmt.Sprint("e", i), Host: catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}, Ready: true, Ports: []catalog.Port{port},
			})
		}
	}
	if len(s.Endpoints) == 0 {
		return nil
	}
	return s
}

// TestInterrupted holds that a write of several transactions, stopped between any two
// of them, leaves what reads as differing and what a new plan finishes; that nothing
// which stays is missing meanwhile; and that whatever was done, the end is the same.
func TestInterrupted(t *testing.T) {
	l := services
	l.owner = "prod"
	rapid.Check(t, func(t *rapid.T) {
		s := &standalone{nodes: map[string]znode{}}
		for range 3 {
			to := drawMirror(t)
			from := s.service(l)
			p := s.planned(t, l, to)
			if (p == nil) != (to == nil && from == nil || to != nil && from != nil && from.Same(held(t, l, to))) {
				t.Fatalf("from\n%s\nto\n%s\nthe plan is %+v", text(from), text(to), p)
			}
			if p == nil {
				continue
			}
			parts := p.parts(4, 1500)
			stop := rapid.IntRange(1, len(parts)).Draw(t, "stop")
			for i, ops := range parts[:stop] {
				if len(ops) > 4 {
					t.Fatalf("part %d has %d operations", i, len(ops))
				}
				if err := s.do(ops); err != nil {
					t.Fatalf("part %d: %v", i, err)
				}
				s.wantKept(t, l, from, to, i+1 == len(parts))
			}
		}
		last := drawMirror(t)
		if p := s.planned(t, l, last); p != nil {
			for _, ops := range p.parts(maxOps, maxBytes) {
				if err := s.do(ops); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := s.service(l); last == nil && len(s.nodes) > 0 || last != nil && !got.Same(held(t, l, last)) {
			t.Fatalf("it ends as\n%s\nwant\n%s", text(got), text(last))
		}
		if p := s.planned(t, l, last); p != nil {
			t.Fatalf("once all is done the plan is %+v", p)
		}
	})
}

func held(t *rapid.T, l layout, s *catalog.Service) *catalog.Service {
	c, err := l.canon(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantKept holds what it reads as on the way from a service to another.
func (s *standalone) wantKept(t *rapid.T, l layout, from, to *catalog.Service, done bool) {
	got := s.service(l)
	if to == nil {
		return
	}
	if same := got != nil && got.Same(held(t, l, to)); same != done {
		t.Fatalf("done %v, and it reads as\n%s\nwant\n%s", done, text(got), to.Text())
	}
	if from == nil || from.Meta[registry.MetaDrift] != "" {
		return
	}
	for _, e := range from.Endpoints {
		is := func(o catalog.Endpoint) bool { return o.ID == e.ID && slices.Equal(o.Ports, e.Ports) }
		if slices.ContainsFunc(to.Endpoints, is) && !slices.ContainsFunc(got.Endpoints, is) {
			t.Fatalf("endpoint %q stays, and is missing from\n%s", e.ID, got.Text())
		}
	}
}

// TestParts holds that transactions keep within both limits, and compare the side node.
func TestParts(t *testing.T) {
	p := &plan{side: op{do: set, path: "/side", data: make([]byte, 100), version: 3}}
	for i := range 7 {
		p.steps = append(p.steps, step{{do: create, path: fmt.Sprint("/a", i), data: make([]byte, 100)}})
	}
	p.steps = append(p.steps, step{p.side}, step{{do: remove, path: "/b", version: 1}, {do: create, path: "/b"}}, step{{do: remove, path: "/c"}})
	words := [...]string{check: "check", create: "create", set: "set", remove: "remove"}
	show := func(all [][]op) string {
		var lines []string
		for _, ops := range all {
			var line []string
			for _, o := range ops {
				line = append(line, fmt.Sprintf("%s %s@%d", words[o.do], o.path, o.version))
			}
			lines = append(lines, strings.Join(line, ", "))
		}
		return strings.Join(lines, "\n") + "\n"
	}
	for _, tt := range []struct {
		ops, bytes int
		want       string
	}{
		{100, 1 << 20, `create /a0@0, create /a1@0, create /a2@0, create /a3@0, create /a4@0, create /a5@0, create /a6@0, set /side@3, remove /b@1, create /b@0, remove /c@0
`},
		{4, 1 << 20, `check /side@3, create /a0@0, create /a1@0, create /a2@0
check /side@3, create /a3@0, create /a4@0, create /a5@0
create /a6@0, set /side@3
check /side@4, remove /b@1, create /b@0, remove /c@0
`},
		{100, 500, `check /side@3, create /a0@0, create /a1@0
check /side@3, create /a2@0, create /a3@0
check /side@3, create /a4@0, create /a5@0
create /a6@0, set /side@3
check /side@4, remove /b@1, create /b@0, remove /c@0
`},
	} {
		if diff := cmp.Diff(tt.want, show(p.parts(tt.ops, tt.bytes))); diff != "" {
			t.Errorf("at most %d operations, %d bytes (-want +got):\n%s", tt.ops, tt.bytes, diff)
		}
	}
}
