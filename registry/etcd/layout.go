package etcd

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// layout says where a zone's records stand.
type layout struct {
	base      string // "/skydns/local/cluster/"
	namespace string // of flat names
	zone      string
	root      string          // "/skydns/" where reverse records are read, too, "" where not
	reverse   bool            // they are written, too
	owner     string          // who reads: "" for a reader
	hosts     *registry.Hosts // that others' records may name; nil: any
}

func newLayout(path, zone, namespace string) layout {
	labels := strings.Split(zone, ".")
	slices.Reverse(labels)
	return layout{base: "/" + path + "/" + strings.Join(labels, "/") + "/", namespace: namespace, zone: zone}
}

// place is where a record stands.
type place struct {
	Key   catalog.Key
	Proto catalog.Protocol // "" without _<proto>
	Port  string           // "" without _<port>
	ID    string           // the labels below, as a DNS name; "" without
}

// errNotRead is returned for a key that is no service's record, rightly.
var errNotRead = errors.New("no service's record")

// parse reads an etcd key below the base.
func (l layout) parse(key string) (place, error) {
	below, ok := strings.CutPrefix(key, l.base)
	labels := strings.Split(below, "/")
	if !ok || labels[0] == "dns" {
		return place{}, errNotRead
	}
	p := place{Key: catalog.Key{Namespace: l.namespace}}
	if labels[0] == "svc" {
		if len(labels) < 3 {
			return place{}, errors.New("below svc: want svc/<namespace>/<name>")
		}
		p.Key.Namespace, labels = labels[1], labels[2:]
	}
	p.Key.Name = labels[0]
	for _, label := range []string{p.Key.Namespace, p.Key.Name} {
		if err := checkLabel(label); err != nil {
			return place{}, err
		}
	}
	err := p.parseRest(labels[1:])
	return p, err
}

// parseRest reads what stands below a service's name.
func (p *place) parseRest(labels []string) error {
	if len(labels) > 0 && strings.HasPrefix(labels[0], "_") {
		proto, ok := protocol(labels[0][1:])
		if !ok {
			return fmt.Errorf("label %q: want _tcp, _udp or _sctp", labels[0])
		}
		p.Proto, labels = proto, labels[1:]
		if len(labels) > 0 && strings.HasPrefix(labels[0], "_") {
			p.Port, labels = labels[0][1:], labels[1:]
			if err := checkLabel(p.Port); err != nil {
				return err
			}
		}
	}
	for _, label := range labels {
		if err := checkLabel(label); err != nil {
			return err
		}
	}
	labels = slices.Clone(labels)
	slices.Reverse(labels)
	p.ID = strings.Join(labels, ".")
	return nil
}

func protocol(label string) (catalog.Protocol, bool) {
	p := catalog.Protocol(strings.ToUpper(label))
	return p, strings.ToLower(label) == label && (p == catalog.TCP || p == catalog.UDP || p == catalog.SCTP)
}

// key is the etcd key of p; a place is always written below svc.
func (l layout) key(p place) string {
	var b strings.Builder
	b.Grow(len(l.base) + len("svc//") + len(p.Key.Namespace) + len(p.Key.Name) + len("/_/_/") + len(p.Proto) + len(p.Port) + len(p.ID))
	for _, s := range []string{l.base, "svc/", p.Key.Namespace, "/", p.Key.Name} {
		b.WriteString(s)
	}
	if p.Proto != "" {
		b.WriteString("/_")
		b.WriteString(strings.ToLower(string(p.Proto)))
	}
	if p.Port != "" {
		b.WriteString("/_")
		b.WriteString(p.Port)
	}
	for id := p.ID; id != ""; {
		at := strings.LastIndexByte(id, '.')
		b.WriteByte('/')
		b.WriteString(id[at+1:])
		id = id[:max(at, 0)]
	}
	return b.String()
}

// checkLabel accepts what a query can ask for, and SkyDNS's wildcard as a
// label of its own.
func checkLabel(label string) error {
	switch {
	case label == "*":
		return nil
	case label == "":
		return errors.New("empty label")
	case len(label) > 63:
		return fmt.Errorf("label %q has %d characters, at most 63", label, len(label))
	case label != strings.ToLower(label):
		return fmt.Errorf("label %q is not in lower case, so no query finds it", label)
	case label[0] == '_' || label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("label %q begins or ends with %q", label, "-_")
	case strings.ContainsFunc(label, func(r rune) bool { return !labelRune(r) }):
		return fmt.Errorf("label %q holds more than letters, digits, %q", label, "-_")
	}
	return nil
}

func labelRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// maxKey is how long a key may be of which all is kept.
const maxKey = 4096

// keyOf returns a key as it is known here: of one that is so long that it can be no
// service's, as much as tells it from others. What is left is no service's either.
func keyOf(key []byte) string {
	if len(key) <= maxKey {
		return string(key)
	}
	sum := sha256.Sum256(key)
	return fmt.Sprintf("%s... (%d bytes, %x)", key[:maxKey/2], len(key), sum[:8])
}

// plainLabel reports whether s is a host's label that no reader takes for a
// wildcard.
func plainLabel(s string) bool {
	return checkLabel(s) == nil && !strings.Contains(s, "_") && s != "*" && s != "any"
}

// checkName accepts a host name in lower case without the trailing dot.
func checkName(name string) error {
	if len(name) > 253 {
		return fmt.Errorf("host name of %d characters, at most 253", len(name))
	}
	labels := strings.Split(name, ".")
	for _, label := range labels {
		if err := checkLabel(strings.TrimPrefix(label, "_")); err != nil {
			return fmt.Errorf("host %q: %w", name, err)
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return fmt.Errorf("host %q is neither an address nor a name", name)
	}
	return nil
}
