package catalog

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Origin names one configured registry, "TYPE/NAME", such as "consul/dc1".
// The name is for people; what counts when records are compared is Identity.
type Origin string

// Type returns the part before the slash: "consul".
func (o Origin) Type() string {
	t, _, _ := strings.Cut(string(o), "/")
	return t
}

// Identity is what a registry says it is: the kube-system namespace's UID,
// etcd's cluster id, Consul's datacenter and server UUID. It is opaque, equal
// for two connections to one registry, and "" while it is not known.
type Identity string

// Key is a service's name in the catalog. Both parts are lower case.
type Key struct{ Namespace, Name string }

// String returns "namespace/name".
func (k Key) String() string { return k.Namespace + "/" + k.Name }

// ParseKey reads what Key.String writes.
func ParseKey(s string) (Key, error) {
	ns, name, ok := strings.Cut(s, "/")
	if !ok || ns == "" || name == "" || strings.Contains(name, "/") {
		return Key{}, fmt.Errorf("parse key %q: want namespace/name", s)
	}
	return Key{ns, name}, nil
}

// Compare orders keys by namespace, then name.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Namespace, o.Namespace), cmp.Compare(k.Name, o.Name))
}

// Ref names one service within an origin: its key, and the owner in its mark
// or "" for the native one.
type Ref struct {
	Key
	Owner string
}

// ServiceType says how a service is reached.
type ServiceType int

// The types of services, with Kubernetes' meaning.
const (
	ClusterIP    ServiceType = iota // virtual addresses in Addrs
	Headless                        // the endpoints themselves
	ExternalName                    // the name in Alias
)

var typeNames = [...]string{"ClusterIP", "Headless", "ExternalName"}

// String returns the name used in the text form.
func (t ServiceType) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return fmt.Sprintf("ServiceType(%d)", int(t))
	}
	return typeNames[t]
}

// Service is what one origin holds of one key under one mark. It is immutable
// once it was handed to a Feed.
type Service struct {
	Key
	Origin    Origin
	Mark      *Mark // nil: native
	Type      ServiceType
	Addrs     []netip.Addr // virtual addresses, IPv4 before IPv6
	External  []Host       // load balancer and external addresses or names
	Alias     string       // ExternalName's target, lower case, no trailing dot
	Ports     []Port       // sorted by Port.Compare
	Endpoints []Endpoint   // sorted by ID
	Meta      map[string]string
	TTL       time.Duration // 0: the reader's default
	Version   string        // opaque: the versions of every record that makes up the service
	Triggered time.Time     // when what its endpoints are came about, as far as its origin tells; zero: unknown
	Bare      bool          // a mirror of which only key and mark are kept; see OriginPolicy.Bare

	// Folded is what a Feed may be told in place of Endpoints by who has them
	// packed: a catalog of packed services keeps them as they are, in one piece of
	// memory for both. No service that a catalog returns has it.
	Folded PackedEndpoints
}

// unfolded returns s with all of its endpoints in Endpoints.
func (s *Service) unfolded() *Service {
	if s.Folded == "" {
		return s
	}
	out := *s
	out.Endpoints, out.Folded = s.Folded.All(), ""
	return &out
}

// Ref returns the service's name within its origin.
func (s *Service) Ref() Ref {
	if s.Mark == nil {
		return Ref{Key: s.Key}
	}
	return Ref{Key: s.Key, Owner: s.Mark.Owner}
}

// Sort brings Ports, Addrs, External and every endpoint's ports into the order
// that the type promises. Whoever builds a Service calls it before handing it on.
func (s *Service) Sort() {
	slices.SortFunc(s.Addrs, netip.Addr.Compare)
	slices.SortFunc(s.External, Host.Compare)
	slices.SortFunc(s.Ports, Port.Compare)
	for i := range s.Endpoints {
		slices.SortFunc(s.Endpoints[i].Ports, Port.Compare)
	}
	slices.SortFunc(s.Endpoints, func(a, b Endpoint) int { return cmp.Compare(a.ID, b.ID) })
}

// ReadyEndpoints is the number of endpoints that are ready.
func (s *Service) ReadyEndpoints() int {
	n := 0
	for i := range s.Endpoints {
		if s.Endpoints[i].Ready {
			n++
		}
	}
	return n
}

// UnknownOwner is the owner in the mark of a copy that some other tool wrote
// (consul-k8s, external-dns, an MCS controller). No bridge may take the name.
const UnknownOwner = "?"

// Mark says which bridge wrote a mirror and what it is a copy of.
type Mark struct {
	Owner  string   // the bridge's name, or UnknownOwner
	Of     Identity // the registry that holds the original; "" if unknown
	Key    Key      // the original's key there
	Via    Identity // the registry whose copy of it was copied; "" where it was the original itself
	Joins  bool     // it adds to the native of its key, where alone it is no service
	Format int      // version of the mark's form; a bridge never overwrites a newer one
}

// MarkFormat is the format of the marks that this version writes.
const MarkFormat = 1

// Protocol is a transport protocol, in upper case as Kubernetes writes it.
type Protocol string

// The protocols that Kubernetes knows.
const (
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	SCTP Protocol = "SCTP"
)

// Port is one port of a service or of an endpoint.
type Port struct {
	Name   string   // lower case; "" where there is one unnamed port
	Proto  Protocol // never ""
	Number uint16
	App    string // application protocol, such as "https"; "" if unknown
}

// Compare orders ports by name, protocol, number and application protocol.
func (p Port) Compare(o Port) int {
	return cmp.Or(cmp.Compare(p.Name, o.Name), cmp.Compare(p.Proto, o.Proto),
		cmp.Compare(p.Number, o.Number), cmp.Compare(p.App, o.App))
}

// Host is an address or, where Addr is not valid, a name.
type Host struct {
	Addr netip.Addr
	Name string
}

// ParseHost reads an address or a name; either may have a trailing dot, and a
// name is lower-cased. It does not judge whether the name is a valid one. What
// String returns reads as the same host.
func ParseHost(s string) Host {
	if !strings.HasSuffix(s, "..") {
		s = strings.TrimSuffix(s, ".")
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return Host{Addr: a}
	}
	return Host{Name: strings.ToLower(s)}
}

// String returns the address or the name.
func (h Host) String() string {
	if h.Addr.IsValid() {
		return h.Addr.String()
	}
	return h.Name
}

// Compare orders addresses before names, each by value.
func (h Host) Compare(o Host) int {
	if h.Addr.IsValid() != o.Addr.IsValid() {
		if h.Addr.IsValid() {
			return -1
		}
		return 1
	}
	return cmp.Or(h.Addr.Compare(o.Addr), cmp.Compare(h.Name, o.Name))
}

// Endpoint is one instance of a service.
type Endpoint struct {
	ID          string // unique within the service, stable while the instance lives
	Host        Host
	Hostname    string // the host label it asks for below the service's name; "" if none
	Pod         string // the name of the pod behind it; "" if none or unknown
	Ports       []Port // sorted by Port.Compare
	Ready       bool   // may get traffic; what DNS answers
	Serving     bool   // answers, even while it terminates
	Terminating bool
	Warning     bool   // a check warns, though none fails
	Priority    uint16 // of the first to try, the least; what Weight says counts among equals
	Zone        string
	Node        string
	Cluster     string // the cluster that it runs in, where the service is one of several clusters; lower case
	Weight      int    // relative to its siblings; 0: not said
	Tags        []string
	Meta        map[string]string
}
