package zookeeper

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Granter = (*config)(nil)

// What others than the user of the stanza may do with what is written.
const (
	worldRead = "world_read" // read it; that is so where nothing is said
	private   = "private"    // nothing
	world     = "world"      // all
)

// acl is that of what is written: nil if the stanza does not say who may change it,
// for then everybody could.
func (c *config) acl() []zk.ACL {
	own := zk.ACL{Perms: zk.PermAll, Scheme: "auth"} // whoever writes it
	switch {
	case c.rights == world:
		return zk.WorldACL(zk.PermAll)
	case c.authFile == "":
		return nil
	case c.rights == private:
		return []zk.ACL{own}
	}
	return append(zk.WorldACL(zk.PermRead), own)
}

// grant is one node, and what a bridge is to be allowed there. ZooKeeper hands no
// rights down: each node has its own.
type grant struct {
	path  string
	data  string // with which it is made
	perms string // as in zkCli.sh, "" for none
}

// Rights returns the commands that make the nodes where a bridge wants rights, with
// those and no others. They leave a node that is there as it is. USER:HASH is the
// digest of what stands in auth_file, which is not read.
func (c *config) Rights(u registry.Use) registry.Rights {
	lines := []string{"addauth digest ADMIN:PASSWORD"}
	for _, g := range c.grants(u) {
		lines = append(lines, fmt.Sprintf("create %s %s %s", typed(g.path), typed(g.data), c.aclText(g.perms)))
	}
	return registry.Rights{Form: "nodes with their rights, by lines for zkCli.sh", Text: strings.Join(lines, "\n") + "\n"}
}

// grants are in the order in which the nodes can be made. Below the owner's node the
// bridge makes all itself.
func (c *config) grants(u registry.Use) []grant {
	l, listed := newLayout(c.path, c.format, c.namespace), "r"
	var own []grant
	if len(u.Mirrors) > 0 && c.acl() != nil { // else it has no Writer
		l.owner, listed = u.Owner, "cr"
		own = []grant{{parent(l.fencePath()), "", "cr"}}
	}
	all := append([]grant{{stateRoot, "", ""}, {idPath, "ID", "r"}, {l.sides(), "", "r"}}, own...)
	for at, char := range l.path {
		if at > 0 && char == '/' {
			all = append(all, grant{path: l.path[:at]})
		}
	}
	return slices.Concat(all, []grant{{l.path, "", listed}})
}

// aclText is a node's ACL in zkCli.sh's words: all for whoever types it, what is
// granted for the bridge and, where what a bridge writes may be read by others, that.
func (c *config) aclText(perms string) string {
	text := "auth::cdrwa"
	switch {
	case perms == "":
	case c.authFile == "":
		text += ",world:anyone:" + perms
	default:
		text += ",digest:USER:HASH:" + perms
		if c.rights != private {
			text += ",world:anyone:r"
		}
	}
	return text
}

// typed is text as one word of a line for zkCli.sh, which knows no escapes.
func typed(text string) string {
	switch {
	case text != "" && !strings.Contains(text, " "):
		return text
	case strings.Contains(text, `"`):
		return "'" + text + "'"
	}
	return `"` + text + `"`
}
