package etcd

import (
	"path"
	"slices"
	"strings"
)

// leafOfExternalDNS reports whether a key ends as external-dns's do: in eight
// hexadecimal digits.
func leafOfExternalDNS(label string) bool {
	return len(label) == 8 && strings.Trim(label, "0123456789abcdef") == ""
}

// recordTypes are those that external-dns puts before names it keeps account of.
var recordTypes = []string{"a", "aaaa", "cname", "mx", "naptr", "ns", "ptr", "srv", "txt"}

// reachLocked returns the name of external-dns's whose deletion may take key
// along, "" if none: it deletes all that begins with the bytes of a name.
func (t *table) reachLocked(key string) string {
	if len(t.heritage) == 0 {
		return ""
	}
	for n := range len(key) {
		if name := key[:n+1]; t.heritage[name] > 0 {
			return name
		}
	}
	return ""
}

// countLocked counts the names that external-dns keeps account of.
func (t *table) countLocked(r *record, n int) {
	for _, name := range accounted(r) {
		t.heritage[name] += n
		if t.heritage[name] == 0 {
			delete(t.heritage, name)
			t.releaseBelowLocked(name)
		}
		if p, err := t.layout.parse(name); err == nil {
			t.dirty[p.Key] = true
		}
	}
}

// accounted returns the names that r shows to be external-dns's: its text of
// the name n stands below n, or below n with the type before its first label. A
// reverse record of its own stands at the name itself.
func accounted(r *record) []string {
	switch {
	case r.reverse && r.external && !leafOfExternalDNS(path.Base(r.key)):
		return typed(r.key)
	case r.reverse && r.external:
		return typed(path.Dir(r.key))
	case r.heritage:
		return typed(path.Dir(r.key))
	}
	return nil
}

// typed returns name, and name without the type before its last label.
func typed(name string) []string {
	dir, label := path.Split(name)
	if kind, stem, _ := strings.Cut(label, "-"); stem != "" && slices.Contains(recordTypes, kind) {
		return []string{name, dir + stem}
	}
	return []string{name}
}

// claimedLocked returns r, as external-dns's if that keeps account of its name.
func (t *table) claimedLocked(r *record) *record {
	if r.external || r.mark != nil || len(t.heritage) == 0 {
		return r
	}
	name, leaf := path.Split(r.key)
	if t.heritage[strings.TrimSuffix(name, "/")] == 0 || !leafOfExternalDNS(leaf) {
		return r
	}
	c := *r
	c.external = true
	return &c
}
