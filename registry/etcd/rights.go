package etcd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Granter = (*config)(nil)

// permission is one of a role.
type permission struct {
	kind   string // read or readwrite
	key    string
	prefix bool
}

// Rights returns the commands that make a role.
func (c *config) Rights(u registry.Use) registry.Rights {
	role := "isthmus-" + u.Owner
	lines := []string{"etcdctl role add " + role}
	for _, p := range c.permissions(u) {
		line := "etcdctl role grant-permission " + role
		if p.prefix {
			line += " --prefix"
		}
		lines = append(lines, fmt.Sprintf("%s %s '%s'", line, p.kind, strings.ReplaceAll(p.key, "'", `'\''`)))
	}
	return registry.Rights{Form: "a role, by commands", Text: strings.Join(lines, "\n") + "\n"}
}

// permissions are those of the role, sorted by key.
func (c *config) permissions(u registry.Use) []permission {
	l, writes := newLayout(c.path, c.zone, c.namespace), len(u.Mirrors) > 0
	if c.reverse != "" && writes {
		l = l.reversed(c.path, c.reverse == "on")
	}
	var all []permission
	if u.Reads || writes {
		all = append(all, permission{"read", l.watched(), true}, permission{"readwrite", idKey, false})
	}
	if writes {
		all = append(all, permission{"readwrite", fenceKey(l, u.Owner), false})
	}
	for _, n := range u.Mirrors {
		all = append(all, permission{"readwrite", l.base + "svc/" + fixed(n), true})
	}
	if l.root != "" {
		all = append(all, permission{"readwrite", l.root + "arpa/in-addr/", true}, permission{"readwrite", l.root + "arpa/ip6/", true})
	}
	if u.Elects {
		all = append(all, permission{"readwrite", "/" + strings.Trim(u.Place, "/") + "/", true})
	}
	slices.SortFunc(all, func(a, b permission) int { return strings.Compare(a.key, b.key) })
	return slices.CompactFunc(all, func(a, b permission) bool { return a.key == b.key && a.kind == b.kind })
}

// fixed is what the keys of all mirrors named so have in common.
func fixed(n registry.Naming) string {
	if ns, _, open := strings.Cut(n.Namespace, "{"); open {
		return strings.ToLower(ns)
	}
	name, _, _ := strings.Cut(n.Name, "{")
	return strings.ToLower(n.Namespace + "/" + name)
}
