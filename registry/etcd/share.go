package etcd

import (
	"errors"
	"path"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Sharer = (*etcd)(nil)

var (
	errDeletes = errors.New("external-dns deletes what stands within its names")
	errBare    = errors.New("a record that has no id would be hidden by others below it")
)

// Beside says why ours cannot stand beside theirs: SkyDNS's readers pass over
// what stands exactly at a name while anything stands below it.
func (e *etcd) Beside(_, theirs *catalog.Service) error {
	if theirs.Ref().Owner == catalog.UnknownOwner {
		return errDeletes
	}
	for i := range theirs.Endpoints {
		if strings.HasPrefix(theirs.Endpoints[i].ID, withoutID) {
			return errBare
		}
	}
	return nil
}

// hides returns which of others' keys a reader finds now, and would no more once
// a record stands at key; "" if none.
func hides(key string, others map[string]bool, there map[string]*record) string {
	for len(others) > 0 && len(key) > 1 {
		if key = path.Dir(key); others[key] && !above(key, others)[key] && !above(key, there)[key] {
			return key
		}
	}
	return ""
}

// above returns the names that keys stand below, of those within name: what is
// found there is not what would be put there.
func above[V any](name string, keys map[string]V) map[string]bool {
	if len(keys) == 0 {
		return nil
	}
	all := map[string]bool{}
	for key := range keys {
		if !strings.HasPrefix(key, name+"/") {
			continue
		}
		for key = path.Dir(key); len(key) >= len(name) && !all[key]; key = path.Dir(key) {
			all[key] = true
		}
	}
	return all
}
