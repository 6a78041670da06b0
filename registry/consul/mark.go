package consul

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Metadata of records. What stands beside the mark has the names that
// consul-k8s gives it, so that people's queries find it.
const (
	metaOwner    = "isthmus-owner" // of instances and of nodes
	metaOf       = "isthmus-of"
	metaKey      = "isthmus-key"
	metaVia      = "isthmus-via"
	metaFormat   = "isthmus-format"
	metaID       = "isthmus-id"    // the endpoint's
	metaPorts    = "isthmus-ports" // then isthmus-ports-1 and so on
	metaMainPort = "isthmus-port"  // the name of the port in Port, where it is not the first
	metaHostname = "isthmus-hostname"
	metaSource   = "external-source" // Consul's own page shows an icon for it
	metaNS       = "external-k8s-ns"
	metaRefKind  = "external-k8s-ref-kind"
	metaRefName  = "external-k8s-ref-name"
	metaNode     = "external-k8s-node-name"
	metaZone     = "external-k8s-topology-zone"
	metaPort     = "port-" // and the port's name: its number

	sourceKubernetes = "kubernetes"
	tagKubernetes    = "k8s" // consul-k8s deletes what has it

	// Of the owner's fence node only.
	metaEpoch        = "isthmus-epoch"
	metaFenceSources = "isthmus-source-" // and a number
)

// reserved reports whether an instance's metadata of that name is ours or
// Consul's, hence no part of what is mirrored.
func reserved(name string) bool {
	for _, prefix := range []string{"isthmus-", "external-", metaPort, "consul-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// refusedOwner stands for no owner at all: the instance says one thing of
// itself and its node another.
const refusedOwner = "\x00"

// markOf tells whose an instance is:
//
//	the node is      and the mark         then it is
//	nobody's         missing              native, or by its looks a copy by another tool
//	nobody's         there                refused: forged
//	an owner's       missing              refused: put there by somebody else
//	an owner's       of another owner     refused: forged
//	an owner's       of that owner        that owner's, with an error if the rest of the mark is broken
func markOf(key catalog.Key, e *api.ServiceEntry) (owner string, mark *catalog.Mark, err error) {
	nodeOwner, said := e.Node.Meta[metaOwner], e.Service.Meta[metaOwner]
	switch {
	case nodeOwner == "" && !hasMark(e.Service.Meta):
		if byOtherTool(e.Service) {
			return catalog.UnknownOwner, &catalog.Mark{Owner: catalog.UnknownOwner, Key: key}, nil
		}
		return "", nil, nil
	case nodeOwner == "":
		return refusedOwner, nil, fmt.Errorf("a mark on node %q, which is no owner's: %w", e.Node.Node, registry.ErrInvalid)
	case said != nodeOwner:
		return refusedOwner, nil, fmt.Errorf("on the node of owner %q without its mark: %w", nodeOwner, registry.ErrInvalid)
	}
	mark, err = readMark(e.Service.Meta)
	return nodeOwner, mark, err
}

func hasMark(meta map[string]string) bool {
	for _, k := range []string{metaOwner, metaOf, metaKey, metaFormat} {
		if _, ok := meta[k]; ok {
			return true
		}
	}
	return false
}

func readMark(meta map[string]string) (*catalog.Mark, error) {
	key, err := catalog.ParseKey(meta[metaKey])
	if err != nil {
		return nil, fmt.Errorf("mark: %w: %w", err, registry.ErrInvalid)
	}
	format, err := strconv.Atoi(meta[metaFormat])
	if err != nil || format < 1 {
		return nil, fmt.Errorf("mark: format %q: %w", meta[metaFormat], registry.ErrInvalid)
	}
	return &catalog.Mark{Owner: meta[metaOwner], Of: catalog.Identity(meta[metaOf]), Key: key, Via: catalog.Identity(meta[metaVia]), Format: format}, nil
}

// byOtherTool reports whether consul-k8s wrote the instance, by its catalog
// sync or by its endpoints controller.
func byOtherTool(s *api.AgentService) bool {
	return slices.Contains(s.Tags, tagKubernetes) && s.Meta[metaSource] == sourceKubernetes ||
		strings.HasPrefix(s.Meta["managed-by"], "consul-k8s")
}

// checkName judges a Consul service's name, in lower case, as a key's. Consul takes
// names by which it cannot be asked, since they would be part of a path, or are longer
// than a request may be: no such name passes.
func checkName(name string) error {
	if len(name) > maxName {
		return fmt.Errorf("name of %d characters, at most %d: %w", len(name), maxName, registry.ErrInvalid)
	}
	if strings.Trim(name, ".") == "" || strings.Contains(name, "/") || strings.ContainsFunc(name, unprintable) {
		return fmt.Errorf("name %q is no key's: %w", name, registry.ErrInvalid)
	}
	return nil
}

func unprintable(r rune) bool { return r <= ' ' || r >= 0x7f }

var (
	hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)
	number   = regexp.MustCompile(`(^|\.)(0x[0-9a-f]*|[0-9]+)$`) // a last label that makes old resolvers see an address
)

// checkHost judges an endpoint's address or name.
func checkHost(h catalog.Host) error {
	if h.Addr.IsValid() {
		return registry.CheckAddr(h.Addr)
	}
	long := func(label string) bool { return len(label) > 63 }
	if len(h.Name) > 253 {
		return fmt.Errorf("address of %d characters, at most 253: %w", len(h.Name), registry.ErrInvalid)
	}
	if slices.ContainsFunc(strings.Split(h.Name, "."), long) || !hostName.MatchString(h.Name) || number.MatchString(h.Name) {
		return fmt.Errorf("address %q is neither an address nor a name: %w", h.Name, registry.ErrInvalid)
	}
	return nil
}

// encodePorts writes all ports into values that Consul takes, name by name:
// "NAME/PROTOCOL/NUMBER/APP", with commas between them.
func encodePorts(meta map[string]string, ports []catalog.Port) error {
	chunk, n := "", 0
	flush := func() {
		meta[portsName(n)] = chunk
		chunk = ""
		n++
	}
	for _, p := range ports {
		word := url.QueryEscape(p.Name) + "/" + url.QueryEscape(string(p.Proto)) + "/" +
			strconv.Itoa(int(p.Number)) + "/" + url.QueryEscape(p.App)
		if len(word) > maxMetaValue || p.Proto == "" {
			return fmt.Errorf("port %.40q: %w", p.Name, registry.ErrInvalid)
		}
		if chunk != "" && len(chunk)+1+len(word) > maxMetaValue {
			flush()
		}
		if chunk != "" {
			chunk += ","
		}
		chunk += word
	}
	if chunk != "" {
		flush()
	}
	if n > maxPortChunks {
		return fmt.Errorf("%d ports are too many: %w", len(ports), registry.ErrInvalid)
	}
	return nil
}

// maxPortChunks leaves room for other metadata.
const maxPortChunks = 32

func portsName(n int) string {
	if n == 0 {
		return metaPorts
	}
	return metaPorts + "-" + strconv.Itoa(n)
}

func decodePorts(meta map[string]string) ([]catalog.Port, error) {
	var ports []catalog.Port
	for n := range maxPortChunks {
		chunk := meta[portsName(n)]
		if chunk == "" {
			break
		}
		for word := range strings.SplitSeq(chunk, ",") {
			p, err := decodePort(word)
			if err != nil {
				return nil, err
			}
			ports = append(ports, p)
		}
	}
	return ports, nil
}

func decodePort(word string) (catalog.Port, error) {
	part := strings.Split(word, "/")
	if len(part) != 4 {
		return catalog.Port{}, badPort(word)
	}
	name, err1 := url.QueryUnescape(part[0])
	proto, err2 := url.QueryUnescape(part[1])
	n, err3 := strconv.ParseUint(part[2], 10, 16)
	app, err4 := url.QueryUnescape(part[3])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil || proto == "" {
		return catalog.Port{}, badPort(word)
	}
	return catalog.Port{Name: name, Proto: catalog.Protocol(proto), Number: uint16(n), App: app}, nil
}

func badPort(word string) error { return fmt.Errorf("port %q: %w", word, registry.ErrInvalid) }
