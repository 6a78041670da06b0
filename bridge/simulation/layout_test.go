package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/memory"
)

// owner is the name of the bridge under test.
const owner = "me"

// layout is which registries there are and what is mirrored.
type layout struct {
	name    string
	origins []catalog.Origin
	rules   [][2]catalog.Origin
}

const (
	kube   = catalog.Origin("kubernetes/k")
	consul = catalog.Origin("consul/c")
	etcd   = catalog.Origin("etcd/e")
	keeper = catalog.Origin("zookeeper/z")
)

func layouts() []layout {
	return []layout{
		{"one way", []catalog.Origin{kube, consul}, [][2]catalog.Origin{{kube, consul}}},
		{"back", []catalog.Origin{consul, kube}, [][2]catalog.Origin{{consul, kube}}},
		{"both ways", []catalog.Origin{kube, consul}, [][2]catalog.Origin{{kube, consul}, {consul, kube}}},
		{"two to one", []catalog.Origin{kube, consul, etcd}, [][2]catalog.Origin{{kube, etcd}, {consul, etcd}}},
		{"ring", []catalog.Origin{kube, consul, etcd}, [][2]catalog.Origin{{kube, consul}, {consul, etcd}, {etcd, kube}}},
		{"to ZooKeeper", []catalog.Origin{kube, keeper}, [][2]catalog.Origin{{kube, keeper}}},
		{"ZooKeeper and back", []catalog.Origin{kube, keeper}, [][2]catalog.Origin{{kube, keeper}, {keeper, kube}}},
		{"ring with ZooKeeper", []catalog.Origin{kube, keeper, consul}, [][2]catalog.Origin{{kube, keeper}, {keeper, consul}, {consul, kube}}},
	}
}

// options are what differs between two schedules' files.
type options struct {
	limit, percent int
	hold           string
	lead           catalog.Origin // where two processes elect their leader; "": there is one process
}

func drawOptions(rnd *rand.Rand, l layout) options {
	holds := []string{"never", "30s", "2m", "5m"}
	is := options{limit: 1 + rnd.IntN(5), hold: holds[rnd.IntN(len(holds))]}
	if rnd.IntN(3) == 0 { // then no number of services may be enough by itself
		is.limit, is.percent = rnd.IntN(4), []int{5, 10, 25, 50}[rnd.IntN(4)]
	}
	if rnd.IntN(3) == 0 {
		is.lead = kube
		if slices.Contains(l.origins, etcd) && rnd.IntN(2) == 0 {
			is.lead = etcd
		}
	}
	return is
}

// file is the bridge's configuration.
func (l layout) file(o options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "bridge %s {\n", owner)
	for _, at := range l.origins {
		fmt.Fprintf(&b, "\t%s\n", strings.Replace(string(at), "/", " ", 1))
	}
	for _, r := range l.rules {
		fmt.Fprintf(&b, "\tmirror %s %s {\n\t\tdelete_limit %d %d%%\n\t\tdelete_hold %s\n", r[0], r[1], o.limit, o.percent, o.hold)
		if r[1] == kube {
			fmt.Fprintf(&b, "\t\tnamespace outside\n")
		}
		fmt.Fprintf(&b, "\t}\n")
	}
	lead := "none"
	switch o.lead {
	case kube:
		lead = "kubernetes isthmus/bridge"
	case etcd:
		lead = "etcd isthmus/leader"
	}
	fmt.Fprintf(&b, "\tlead %s\n}\n", lead)
	return b.String()
}

// ways are what a registry's servers do and others do not.
func ways(o catalog.Origin) memory.Ways {
	switch o {
	case etcd:
		return memory.Ways{ReadyOnly: true}
	case keeper:
		return memory.Ways{Follows: true, Unsure: true, Anew: true, ReadyOnly: true, Lull: 500 * time.Millisecond}
	}
	return memory.Ways{}
}

// naming is what mirrors are called at a registry.
func naming(o catalog.Origin) registry.Naming {
	switch o {
	case kube:
		return registry.Naming{Name: "{service}"}
	case consul, keeper:
		return registry.Naming{Namespace: o.Type(), Name: "{service}-{namespace}"}
	}
	return registry.Naming{Namespace: "{namespace}", Name: "{service}"}
}

// target is the key of the mirror of an original.
func target(r *mirror.Rule, original catalog.Key) catalog.Key {
	fill := func(template string) string {
		return strings.ReplaceAll(strings.ReplaceAll(template, "{service}", original.Name), "{namespace}", original.Namespace)
	}
	return catalog.Key{Namespace: fill(r.Naming.Namespace), Name: fill(r.Naming.Name)}
}
