package catalog

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog/pmap"
)

// A registry that has a DNS of its own can be asked for what it says there, its
// directory: its nodes, and its services under the names that it knows them by,
// with those that are nobody's in the catalog. It stands beside the origin's
// services and answers under no key.
//
// A listed service has no namespace. The endpoints of all who registered under
// its name stand together; one with a Hostname has no address of its own, but
// that of the node so called.

// Node is a node of a registry. It is immutable once it was handed to a Feed.
type Node struct {
	Name string // as it was registered
	Host Host
	Meta map[string]string
}

// Equal reports whether both say the same.
func (n *Node) Equal(o *Node) bool {
	return n.Name == o.Name && n.Host == o.Host && maps.Equal(n.Meta, o.Meta)
}

// directory is what one origin says in its own DNS; immutable once published.
type directory struct {
	datacenter string
	nodes      pmap.Map[string, *Node] // by name in lower case
	nodesAt    pmap.Map[netip.Addr, []*Node]
	listed     pmap.Map[string, *Service]
	listedAt   pmap.Map[netip.Addr, []*Service] // by addresses that are not a node's
	lists      bool                             // its services were reported
}

func newDirectory() *directory {
	return &directory{
		nodes:    pmap.New[string, *Node](),
		nodesAt:  pmap.New[netip.Addr, []*Node](),
		listed:   pmap.New[string, *Service](),
		listedAt: pmap.New[netip.Addr, []*Service](),
	}
}

// ReplaceNodes reports all nodes that the origin has, and the datacenter that
// they are in. Only an origin that was asked for its directory reports it, nodes
// and services before its first Replace.
func (f *Feed) ReplaceNodes(datacenter string, all []*Node) {
	f.editDirectory(func(d *directory) { d.replaceNodes(datacenter, all) })
}

// ReplaceListed reports all services of the directory.
func (f *Feed) ReplaceListed(all []*Service) {
	f.editDirectory(func(d *directory) { d.replaceListed(f.origin, all) })
}

// UpdateListed reports services of the directory that are new or changed, and
// the names of those that are gone.
func (f *Feed) UpdateListed(set []*Service, gone []string) {
	f.editDirectory(func(d *directory) {
		for _, name := range gone {
			d.unlist(name)
		}
		for _, svc := range set {
			d.list(f.origin, svc)
		}
	})
}

func (f *Feed) editDirectory(do func(*directory)) {
	f.edit(func(_ *Snapshot, o *origin) bool {
		d := newDirectory()
		if o.directory != nil {
			*d = *o.directory
		}
		do(d)
		o.directory = d
		o.heard()
		return true
	})
}

func (d *directory) replaceNodes(datacenter string, all []*Node) {
	d.datacenter = datacenter
	gone := maps.Collect(d.nodes.All())
	for _, n := range all {
		name := strings.ToLower(n.Name)
		if old := gone[name]; old == nil || !old.Equal(n) {
			d.dropNode(name)
			d.putNode(name, n)
		}
		delete(gone, name)
	}
	for name := range gone {
		d.dropNode(name)
	}
}

func (d *directory) replaceListed(o Origin, all []*Service) {
	d.lists = true
	gone := maps.Collect(d.listed.All())
	for _, svc := range all {
		delete(gone, svc.Name)
		d.list(o, svc)
	}
	for name := range gone {
		d.unlist(name)
	}
}

func (d *directory) putNode(name string, n *Node) {
	d.nodes = d.nodes.Set(name, n)
	if n.Host.Addr.IsValid() {
		d.nodesAt = with(d.nodesAt, n.Host.Addr, n, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	}
}

func (d *directory) dropNode(name string) {
	n, known := d.nodes.Get(name)
	if !known {
		return
	}
	d.nodes = d.nodes.Delete(name)
	d.nodesAt = without(d.nodesAt, n.Host.Addr, n)
}

func (d *directory) list(o Origin, svc *Service) {
	d.unlist(svc.Name)
	if svc.Origin != o { // it may stand in another catalog
		svc.Origin = o
	}
	d.listed = d.listed.Set(svc.Name, svc)
	for _, a := range ownAddrs(svc) {
		d.listedAt = with(d.listedAt, a, svc, func(a, b *Service) int { return a.Key.Compare(b.Key) })
	}
}

func (d *directory) unlist(name string) {
	svc, known := d.listed.Get(name)
	if !known {
		return
	}
	d.listed = d.listed.Delete(name)
	for _, a := range ownAddrs(svc) {
		d.listedAt = without(d.listedAt, a, svc)
	}
}

// ownAddrs returns the addresses of endpoints that are not their nodes', each
// once.
func ownAddrs(svc *Service) []netip.Addr {
	var all []netip.Addr
	for i := range svc.Endpoints {
		if e := &svc.Endpoints[i]; e.Hostname == "" && e.Host.Addr.IsValid() {
			all = append(all, e.Host.Addr)
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

func with[T any](from pmap.Map[netip.Addr, []T], a netip.Addr, x T, compare func(T, T) int) pmap.Map[netip.Addr, []T] {
	all, _ := from.Get(a)
	all = append(slices.Clip(all), x)
	slices.SortFunc(all, compare)
	return from.Set(a, all)
}

func without[T comparable](from pmap.Map[netip.Addr, []T], a netip.Addr, x T) pmap.Map[netip.Addr, []T] {
	all, known := from.Get(a)
	if !known {
		return from
	}
	all = slices.DeleteFunc(slices.Clone(all), func(y T) bool { return x == y })
	if len(all) == 0 {
		return from.Delete(a)
	}
	return from.Set(a, all)
}

// Directory is what one origin says in its own DNS, at one moment. The zero
// Directory is that of an origin that was not asked for it.
type Directory struct{ d *directory }

// Directory returns that of o. Two are equal if nothing changed between them.
func (s *Snapshot) Directory(o Origin) Directory {
	if known := s.origins[o]; known != nil {
		return Directory{known.directory}
	}
	return Directory{}
}

// Lists reports whether the origin reported the services of its directory, once
// at least. Until then that a name is absent means nothing.
func (d Directory) Lists() bool { return d.d != nil && d.d.lists }

// Nodes visits all nodes, in no order.
func (d Directory) Nodes() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if d.d == nil {
			return
		}
		for _, n := range d.d.nodes.All() {
			if !yield(n) {
				return
			}
		}
	}
}

// Services visits all services, in no order.
func (d Directory) Services() iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		if d.d == nil {
			return
		}
		for _, svc := range d.d.listed.All() {
			if !yield(svc) {
				return
			}
		}
	}
}

// Node returns the node of that name, in lower case, or nil.
func (d Directory) Node(name string) *Node {
	if d.d == nil {
		return nil
	}
	n, _ := d.d.nodes.Get(name)
	return n
}

// NodesAt returns the nodes with that address, by name.
func (d Directory) NodesAt(a netip.Addr) []*Node {
	if d.d == nil {
		return nil
	}
	all, _ := d.d.nodesAt.Get(a)
	return all
}

// Listed returns the service of that name, in lower case, or nil.
func (d Directory) Listed(name string) *Service {
	if d.d == nil {
		return nil
	}
	svc, _ := d.d.listed.Get(name)
	return svc
}

// ListedAt returns the services that have endpoints with that address, where
// it is not their node's, by name.
func (d Directory) ListedAt(a netip.Addr) []*Service {
	if d.d == nil {
		return nil
	}
	all, _ := d.d.listedAt.Get(a)
	return all
}

// Since visits the addresses that may have come or gone between older and d,
// some twice, in no order.
func (d Directory) Since(older Directory, visit func(netip.Addr)) {
	was, is := older.d, d.d
	if was == is {
		return
	}
	if was == nil {
		was = new(directory)
	}
	if is == nil {
		is = new(directory)
	}
	pmap.Diff(was.nodesAt, is.nodesAt, visit)
	pmap.Diff(was.listedAt, is.listedAt, visit)
}

// Datacenter returns the datacenter that the nodes are in, or "" if it is not
// known.
func (d Directory) Datacenter() string {
	if d.d == nil {
		return ""
	}
	return d.d.datacenter
}
