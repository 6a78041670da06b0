package zookeeper

import "github.com/go-zookeeper/zk"

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
