package faults

import "testing"

// pair is a world of a Consul and an etcd.
type pair struct {
	*world
	consul *consulTarget
	etcd   *etcdTarget
}

func newPair(t *testing.T, c *cluster, name string, elects bool) *pair {
	t.Helper()
	p := &pair{consul: newConsulTarget(t), etcd: newEtcdTarget(t, name, c.etcdctl)}
	p.world = newWorld(t, c, name, elects, p.consul, p.etcd)
	return p
}
