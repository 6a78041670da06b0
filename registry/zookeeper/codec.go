package zookeeper

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// stamp says which node is meant, and which state of it.
type stamp struct {
	path         string
	czxid, mzxid int64 // the transactions that made it and that wrote it last
	version      int32 // of its data
	session      int64 // that it goes with; 0: it stays
}

func stampOf(n znode) stamp { return stamp{n.path, n.czxid, n.mzxid, n.version, n.session} }

// digest tells one node's data from another's.
type digest [16]byte

func digestOf(data []byte) digest {
	sum := sha256.Sum256(data)
	return digest(sum[:])
}

// record is one instance as it was read.
type record struct {
	stamp
	id       string
	owner    string           // of a mirror's instance; "" of a native
	digest   digest           // of a mirror's instance
	err      error            // why it is refused
	odd      error            // why a part of it is
	endpoint catalog.Endpoint // of a mirror's instance, what tells whether it is as its side node has it
}

// maxInstance is how much data an instance may have.
const maxInstance = 64 << 10

var errForeign = errors.New("no instance's data")

// parse reads a node below the path. It returns nil for one that is no instance,
// with an error if it has data, which is foreign.
func (l layout) parse(n znode) (*record, error) {
	_, id := l.split(n.path)
	owner, ours := ownerOf(id)
	isMember := l.format == serverset && strings.HasPrefix(id, member)
	if !ours && !isMember && (len(n.data) == 0 || l.format == serverset) {
		return nil, nil
	}
	in, err := l.readInstance(n.data, ours)
	if errors.Is(err, errForeign) && !ours && !isMember {
		return nil, err
	}
	r := &record{stamp: stampOf(n), id: id, owner: owner, odd: in.odd}
	if err == nil {
		r.endpoint, err = in.endpoint(id)
	}
	if ours {
		r.digest = digestOf(n.data)
	} else if err == nil && l.hosts != nil {
		err = l.hosts.Check(in.host)
	}
	r.err = brief(err)
	return r, nil
}

// readInstance reads an instance's data. An error that wraps errForeign says that it
// is none; any other, that it is a bad one.
func (l layout) readInstance(data []byte, ours bool) (instance, error) {
	switch {
	case len(data) > maxInstance:
		return instance{}, fmt.Errorf("%w: %d bytes, at most %d", errForeign, len(data), maxInstance)
	case ours:
		return readMirrored(data)
	case l.format == curator:
		return readCurator(data)
	case l.format == serverset:
		return readServerset(data)
	}
	return readNerve(data)
}

// brief is an error whose text people can be told.
func brief(err error) error {
	if err == nil || len(err.Error()) <= len(catalog.Brief(err.Error())) {
		return err
	}
	return errors.New(catalog.Brief(err.Error()))
}

// instance is what the data of one says, in whatever format.
type instance struct {
	host   catalog.Host
	ports  []catalog.Port
	down   bool
	weight int
	meta   map[string]string
	odd    error // of a part that is left out
}

// endpoint is the instance's, if its address can be told.
func (in *instance) endpoint(id string) (catalog.Endpoint, error) {
	if err := checkHost(in.host); err != nil {
		return catalog.Endpoint{}, err
	}
	e := catalog.Endpoint{
		ID: catalog.Brief(id), Host: in.host, Ports: in.ports, Ready: !in.down, Serving: !in.down,
		Weight: in.weight, Meta: in.meta,
	}
	if zone := in.meta[metaZone]; plainLabel(strings.ToLower(zone)) {
		e.Zone = zone
	}
	slices.SortFunc(e.Ports, catalog.Port.Compare)
	return e, nil
}

// decode makes services of all that stands at one name: a native one, and a mirror for
// each owner. It says which nodes are refused, and keeps what it is given as it is.
func (l layout) decode(name string, records []*record, sides []*side) (all []*catalog.Service, refused map[string]error) {
	key, err := l.key(name)
	if err != nil {
		return nil, map[string]error{path.Join(l.path, name): err}
	}
	refused = map[string]error{}
	nested := key.Name != name
	for _, r := range records {
		if nested && r.owner != "" {
			refused[r.path] = errNoMirror
		} else if err := cmp.Or(r.err, r.odd); err != nil {
			refused[r.path] = err
		}
	}
	for _, s := range sides {
		if s.err != nil {
			refused[s.path] = s.err
		}
	}
	if s := native(key, records); s != nil {
		if nested {
			s.Meta = map[string]string{metaPath: path.Join(l.path, name)}
		}
		all = append(all, s)
	}
	if !nested {
		for _, m := range mirrorsOf(records, sides) {
			if m.told() {
				all = append(all, l.mirror(key, m))
				continue
			}
			l.refuseStrays(m, refused)
		}
	}
	slices.SortFunc(all, func(a, b *catalog.Service) int { return cmp.Compare(a.Ref().Owner, b.Ref().Owner) })
	return all, refused
}

// refuseStrays refuses the instances of a mirror of ours that is not told. Of others'
// nobody here may be allowed to read the side nodes.
func (l layout) refuseStrays(m *mirror, refused map[string]error) {
	if m.owner != l.owner {
		return
	}
	for _, r := range m.instances {
		refused[r.path] = errStray
	}
}

// metaPath is the meta entry of a native service that stands elsewhere than at the name
// of its key: the node above its instances.
const metaPath = "isthmus.dev/path"

// native makes the service of all instances that are no mirror's; nil if there are none.
func native(key catalog.Key, records []*record) *catalog.Service {
	s := &catalog.Service{Key: key, Type: catalog.Headless}
	var stamps []stamp
	for _, r := range records {
		if r.owner == "" && r.err == nil {
			s.Endpoints = append(s.Endpoints, r.endpoint)
			stamps = append(stamps, r.stamp)
		}
	}
	if len(stamps) == 0 {
		return nil
	}
	s.Version = versionOf(stamps)
	s.Sort()
	s.Ports = portsOf(s.Endpoints)
	return s
}

// portsOf returns the ports of all endpoints, each once.
func portsOf(all []catalog.Endpoint) []catalog.Port {
	seen := map[catalog.Port]bool{}
	var ports []catalog.Port
	for _, e := range all {
		for _, p := range e.Ports {
			if !seen[p] {
				seen[p] = true
				ports = append(ports, p)
			}
		}
	}
	slices.SortFunc(ports, catalog.Port.Compare)
	return ports
}

// versionOf is the version of what stands at all nodes, each with the transaction that
// wrote it last.
func versionOf(all []stamp) string {
	return registry.VersionOf(all, func(s stamp) (string, int64) { return s.path, s.mzxid })
}
