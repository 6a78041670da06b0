package zookeeper

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// The formats of instances.
const (
	curator   = "curator"
	serverset = "serverset"
	nerve     = "nerve"
)

// layout says where services stand, and in which form.
type layout struct {
	path      string // "/services"
	format    string
	namespace string
	owner     string          // who reads: "" for a reader
	hosts     *registry.Hosts // that others' nodes may name; nil: any
	state     string          // the directory below which the side nodes of all owners stand

	payload string        // of instances that are written: "" or spring
	dynamic bool          // they go with the session that writes them
	live    *atomic.Int64 // that session; nil or 0: none
}

func newLayout(path, format, namespace string) layout {
	return layout{path: path, format: format, namespace: namespace, state: stateRoot + "/" + escape(path)}
}

// stateRoot is above every node of a bridge's own that is no instance.
const stateRoot = "/isthmus"

// sides is the directory below which the side nodes of all owners stand.
func (l layout) sides() string { return l.state }

// mirrors is the directory of an owner's side nodes.
func (l layout) mirrors(owner string) string { return l.sides() + "/" + owner + "/mirrors" }

// escape makes one node's name of a path. Nothing else has the same.
func escape(path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(path, "%", "%25"), "/", "%2F")
}

// unescape is the path of which escape makes name.
func unescape(name string) (path string, ok bool) {
	path = strings.ReplaceAll(strings.ReplaceAll(name, "%2F", "/"), "%25", "%")
	return path, escape(path) == name
}

// split returns the service's name and the instance's id of a node below the path.
func (l layout) split(node string) (name, id string) {
	below := strings.TrimPrefix(node, l.path+"/")
	if at := strings.LastIndexByte(below, '/'); at >= 0 {
		return below[:at], below[at+1:]
	}
	return "", below
}

// key is that of the service at a name below the path; "" is the path itself,
// which is the service called as its last element.
func (l layout) key(name string) (catalog.Key, error) {
	if name == "" {
		name = path.Base(l.path)
	}
	name = strings.ToLower(strings.ReplaceAll(name, "/", "-"))
	return catalog.Key{Namespace: l.namespace, Name: name}, checkName(name)
}

// maxName is how long the name of a service may be.
const maxName = 255

// checkName judges a service's name, in lower case, as a key's.
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("name of %d characters, at most %d: %w", len(name), maxName, registry.ErrInvalid)
	}
	unprintable := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }
	if strings.Trim(name, ".") == "" || strings.ContainsFunc(name, unprintable) {
		return fmt.Errorf("name %q is no key's: %w", name, registry.ErrInvalid)
	}
	return nil
}

// checkHost judges an instance's address or name.
func checkHost(h catalog.Host) error {
	if h.Addr.IsValid() {
		return registry.CheckAddr(h.Addr)
	}
	if len(h.Name) > 253 {
		return fmt.Errorf("address of %d characters, at most 253: %w", len(h.Name), registry.ErrInvalid)
	}
	last := ""
	for last = range strings.SplitSeq(h.Name, ".") {
		if err := checkLabel(strings.TrimPrefix(last, "_")); err != nil {
			return fmt.Errorf("address %q: %w: %w", h.Name, err, registry.ErrInvalid)
		}
	}
	if isNumber(last) {
		return fmt.Errorf("address %q is neither an address nor a name: %w", h.Name, registry.ErrInvalid)
	}
	return nil
}

// isNumber reports whether a name's last label makes old resolvers see an address.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// checkLabel accepts a label in lower case that a query can ask for.
func checkLabel(label string) error {
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}
	switch {
	case label == "":
		return errors.New("empty label")
	case len(label) > 63:
		return fmt.Errorf("label of %d characters, at most 63", len(label))
	case label[0] == '_' || label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("label %q begins or ends with %q", label, "-_")
	case strings.ContainsFunc(label, other):
		return fmt.Errorf("label %q holds more than lower case letters, digits, %q", label, "-_")
	}
	return nil
}

// plainLabel reports whether s is a host's label.
func plainLabel(s string) bool { return checkLabel(s) == nil && !strings.Contains(s, "_") }

// checkElement returns an error if s cannot be an element of a node's path.
func checkElement(s string) error {
	unfit := func(r rune) bool { return !unicode.IsPrint(r) || r == '/' || r >= 0xfff0 }
	if s == "" || s == "." || s == ".." || len(s) > maxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unfit) {
		return fmt.Errorf("%q is no name of a node: %w", catalog.Brief(s), registry.ErrInvalid)
	}
	return nil
}
