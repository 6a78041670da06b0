package zookeeper

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// ourPrefix is how the node of every mirror's instance begins.
const ourPrefix = "isthmus-"

// digits is how many of them end the node of a mirror's instance.
const digits = 12

// ownerOf returns whose mirror a node is an instance of, by its name.
func ownerOf(id string) (owner string, ours bool) {
	rest, ours := strings.CutPrefix(id, ourPrefix)
	at := len(rest) - digits - 1
	if !ours || at < 1 || rest[at] != '-' || strings.Trim(rest[at+1:], "0123456789abcdef") != "" || checkOwner(rest[:at]) != nil {
		return "", false
	}
	return rest[:at], true
}

func checkOwner(owner string) error {
	if err := checkElement(owner); err != nil {
		return err
	}
	if owner == catalog.UnknownOwner || len(owner) > maxOwner || strings.ContainsRune(owner, ' ') {
		return fmt.Errorf("%q is no name for an owner: %w", owner, registry.ErrInvalid)
	}
	return nil
}

// maxOwner is how long the name of an owner may be that is part of a node's.
const maxOwner = 128

// instanceIDs are the nodes of a mirror's instances, each another.
func instanceIDs(s *catalog.Service, all []catalog.Endpoint) []string {
	ids := make([]string, len(all))
	taken := make(map[string]bool, len(ids))
	for i := range all {
		for n := 0; ids[i] == "" || taken[ids[i]]; n++ {
			ids[i] = instanceID(s.Mark, &all[i], n)
		}
		taken[ids[i]] = true
	}
	return ids
}

// instanceID is the n-th to try for the node of one endpoint at one address.
func instanceID(m *catalog.Mark, e *catalog.Endpoint, n int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{m.Key.String(), e.ID, e.Host.String(), strconv.Itoa(n)}, "\x00")))
	return ourPrefix + m.Owner + "-" + hex.EncodeToString(sum[:digits/2])
}

// mirror is what stands at a name of one owner's.
type mirror struct {
	owner     string
	side      *side // nil: there is none
	instances map[string]*record
}

// mirrorsOf sorts what is no native by its owner.
func mirrorsOf(records []*record, sides []*side) map[string]*mirror {
	all := map[string]*mirror{}
	of := func(owner string) *mirror {
		if all[owner] == nil {
			all[owner] = &mirror{owner: owner, instances: map[string]*record{}}
		}
		return all[owner]
	}
	for _, s := range sides {
		if s.owner != "" {
			of(s.owner).side = s
		}
	}
	for _, r := range records {
		if r.owner != "" {
			of(r.owner).instances[r.id] = r
		}
	}
	return all
}

var (
	errNoMirror = errors.New("an instance of a mirror, where none can be")
	errStray    = errors.New("an instance of a mirror of ours, whose side node is gone or cannot be read")
)

// told reports whether the mirror is told: nobody knows what it is of without a side
// node that can be read, unless that is one of a newer format.
func (m *mirror) told() bool {
	return m.side != nil && (m.side.service != nil || m.side.format > catalog.MarkFormat)
}

// version is that of the mirror's service; "" if it is not told.
func (m *mirror) version() string {
	if !m.told() {
		return ""
	}
	return versionOf(m.stamps())
}

// mirror makes the service of an owner's mirror that is told.
func (l layout) mirror(key catalog.Key, m *mirror) *catalog.Service {
	s := &catalog.Service{Type: catalog.Headless, Mark: &catalog.Mark{Owner: m.owner, Format: m.side.format}}
	if m.side.service != nil {
		*s = *m.side.service
	}
	s.Key, s.Version = key, m.version()
	odd := m.keep(s)
	if m.owner == l.owner && s.Mark.Format <= catalog.MarkFormat {
		if odd == 0 {
			odd = l.drifted(m)
		}
		if odd > 0 {
			s.Meta = map[string]string{registry.MetaDrift: strconv.Itoa(odd)}
		}
	}
	s.Ports = portsOf(s.Endpoints)
	return s
}

// stamps are those of all nodes of the mirror.
func (m *mirror) stamps() []stamp {
	all := append(make([]stamp, 0, len(m.instances)+1), m.side.stamp)
	for _, r := range m.instances {
		all = append(all, r.stamp)
	}
	return all
}

// keep leaves of s, as the side node has it, those endpoints whose instances are there
// and say the same. It returns how many nodes are not as the side node has them.
func (m *mirror) keep(s *catalog.Service) (odd int) {
	wanted := standing(s)
	kept := make([]catalog.Endpoint, 0, len(wanted))
	for i, id := range instanceIDs(s, wanted) {
		if r := m.instances[id]; r != nil && r.says(s, &wanted[i]) {
			kept = append(kept, wanted[i])
		}
	}
	odd = len(wanted) - len(kept) + len(m.instances) - len(kept)
	switch {
	case len(kept) == len(wanted):
	case s.Type == catalog.ExternalName:
		s.Type, s.Alias = catalog.Headless, ""
	default:
		s.Endpoints = slices.Clip(kept)
	}
	return odd
}

// says reports whether a mirror's instance says what is to stand there for e.
func (r *record) says(s *catalog.Service, e *catalog.Endpoint) bool {
	if r.err != nil || r.endpoint.Host != e.Host {
		return false
	}
	p, has := mainPort(s, e)
	ports := r.endpoint.Ports
	return has == (len(ports) > 0) && (!has || ports[0].Number == p.Number)
}
