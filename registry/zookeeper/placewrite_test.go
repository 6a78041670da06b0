package zookeeper

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

var _ registrytest.Writable = (*place)(nil)

func (p *place) Writer(t registrytest.T, owner string) registry.Writer { return p.writer(t, owner) }

func (r *tree) writer(t registrytest.T, owner string) *zookeeper {
	t.Helper()
	w, err := r.config(t).Writer(owner, discard())
	if err != nil {
		t.Fatalf("%v", err)
	}
	return w.(*zookeeper)
}

// mirror returns the nodes of a mirror, its side node first.
func (p *place) mirror(t registrytest.T, ref catalog.Ref) []string {
	t.Helper()
	if err := p.raw.sync(t.Context()); err != nil {
		t.Fatalf("sync: %v", err)
	}
	l := newLayout(p.path, curator, "zookeeper")
	names, _, err := p.raw.conn.Children(l.folder(ref.Name))
	if err != nil {
		t.Fatalf("list %q: %v", ref.Name, err)
	}
	slices.Sort(names)
	all := []string{l.sidePath(ref.Owner, ref.Name)}
	for _, name := range names {
		if owner, ours := ownerOf(name); ours && owner == ref.Owner {
			all = append(all, l.folder(ref.Name)+"/"+name)
		}
	}
	return all
}

// edit changes the data of a node.
func (p *place) edit(t registrytest.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, _, err := p.raw.conn.Get(path)
	if err == nil {
		_, err = p.raw.conn.Set(path, change(data), -1)
	}
	if err != nil {
		t.Fatalf("edit %q: %v", path, err)
	}
}

func (p *place) Tamper(t registrytest.T, ref catalog.Ref) {
	p.edit(t, p.mirror(t, ref)[1], func(data []byte) []byte {
		return bytes.Replace(data, []byte(`"address":"10.1.`), []byte(`"address":"10.254.`), 1)
	})
}

func (p *place) Erase(t registrytest.T, ref catalog.Ref) {
	var ops []any
	for _, path := range p.mirror(t, ref) {
		ops = append(ops, &zk.DeleteRequest{Path: path, Version: -1})
	}
	if !p.many(ops) {
		t.Fatalf("erase %v: not done", ref)
	}
}

func (p *place) Advance(t registrytest.T, ref catalog.Ref) {
	p.edit(t, p.mirror(t, ref)[0], func(data []byte) []byte {
		return bytes.Replace(data, fmt.Appendf(nil, `"format":%d`, catalog.MarkFormat), fmt.Appendf(nil, `"format":%d`, catalog.MarkFormat+1), 1)
	})
}

func (p *place) Stamp(t registrytest.T) string {
	if err := p.raw.sync(t.Context()); err != nil {
		t.Fatalf("sync: %v", err)
	}
	var b strings.Builder
	for _, root := range newLayout(p.path, curator, "zookeeper").roots() {
		p.stamp(t, &b, root)
	}
	return b.String()
}

// stamp writes the versions of a node and all below it.
func (r *tree) stamp(t registrytest.T, b *strings.Builder, path string) {
	t.Helper()
	there, stat, err := r.raw.conn.Exists(path)
	if err != nil {
		t.Fatalf("read %q: %v", path, err)
	}
	if !there {
		return
	}
	fmt.Fprintf(b, "%s %x %x\n", path, stat.Czxid, stat.Mzxid)
	if stat.NumChildren == 0 {
		return
	}
	names, _, err := r.raw.conn.Children(path)
	if err != nil {
		t.Fatalf("list %q: %v", path, err)
	}
	slices.Sort(names)
	for _, name := range names {
		r.stamp(t, b, path+"/"+name)
	}
}
