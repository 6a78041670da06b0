package isthmus

import (
	"log/slog"
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// A multicluster zone (KEP-1645) is answered from what the clusters of a set
// export to each other, and all other zones from what the registries hold
// themselves. The two never meet: each has a process, a catalog and views of
// its own, so that one does not wait for the other. Its names are those of any
// zone, but for an endpoint's, which its cluster is part of:
//
//	HOST.CLUSTER.S.NS.svc.Z    the ready endpoints of that name there
//	CLUSTER.S.NS.svc.Z         nothing; the parent of such names
//
// Names of zones of a cluster (option zonal) and of pods do not exist in it.

// setMulticluster says which zones are multicluster ones. A reverse zone is
// none: there is only one answer to what an address is called.
func setMulticluster(c *config, s stanza.Stanza) error {
	for _, name := range plugin.OriginsFromArgsOrServerBlock(s.Args(), nil) {
		z := c.zones.find(name)
		if z < 0 {
			return s.Errorf("multicluster zone %q is not among the zones served: %s", name, strings.Join(c.zones.names(), " "))
		}
		if !c.zones[z].ofCluster() {
			return s.Errorf("zone %q is another option's", name)
		}
		c.zones[z].multicluster = !c.zones[z].reverse
	}
	return nil
}

// multicluster returns the name of the first multicluster zone, or "".
func (zs zones) multicluster() string {
	if i := slices.IndexFunc(zs, func(z zone) bool { return z.multicluster }); i >= 0 {
		return zs[i].name
	}
	return ""
}

// imports is the block as the process behind its multicluster zones reads it.
func (c *config) imports() *config {
	own := *c
	own.imported = true
	own.registries, own.require = nil, nil
	own.saving.file, own.debug = "", "" // the cluster's own sees to it
	for _, r := range c.registries {
		if from, can := r.(registry.Importer); can {
			own.registries = append(own.registries, importing{from})
		}
	}
	return &own
}

// importing is a registry that is read for what it imports.
type importing struct{ registry.Importer }

// Reader opens what the registry imports.
func (i importing) Reader(log *slog.Logger) (registry.Registry, error) { return i.Imports(log) }

// String tells it from the registry's own services: the two are watched apart.
func (i importing) String() string { return "imports of " + i.Importer.String() }

// openImports opens what the registries import.
func (p *process) openImports() error {
	i := p.imports
	i.conf.locals, i.notify = p.conf.locals, p.notify
	i.kin = func() []*process {
		var all []*process
		for _, other := range p.kin() {
			if other.imports != nil {
				all = append(all, other.imports)
			}
		}
		return all
	}
	return i.open()
}

// canImport reports whether any of the registries has something to import.
func (c *config) canImport() bool {
	return slices.ContainsFunc(c.registries, func(r registry.Config) bool {
		_, can := r.(registry.Importer)
		return can
	})
}

// told reports whether each origin said what it holds, or why it cannot.
func (v *view) told() bool {
	for _, o := range v.snap.Origins() {
		if !o.Synced && o.Err == nil {
			return false
		}
	}
	return true
}

// inClusters reads the labels l left of "svc." again, for a multicluster zone
// this time. Two in front of a service are an endpoint and its cluster, which
// stay together as they stand in name, unless one has an underscore.
func (q *query) inClusters(name string, l []string) {
	switch {
	case q.kind == kindZonal:
		*q = query{zone: q.zone}
	case len(l) == 4 && !strings.HasPrefix(l[0], "_") && !strings.HasPrefix(l[1], "_"):
		*q = query{kind: kindEndpoint, zone: q.zone, key: q.key, host: name[:len(l[0])+1+len(l[1])]}
	}
}

// hasCluster reports whether names of endpoints stand below label.
func (b *builder) hasCluster(label string) bool {
	return label != "" && slices.ContainsFunc(b.ready, func(e *catalog.Endpoint) bool { return e.Cluster == label })
}

// schema is the version of the DNS schema that names follow, for dns-version.Z.
func (c *config) schema() string {
	if c.imported {
		return "1.0.0" // of KEP-1645
	}
	return version
}

// cutCluster parts what stands left of a service in a name of an endpoint.
func (q *query) cutCluster() (host, cluster string) {
	if next, end := dns.NextLabel(q.host, 0); !end {
		return q.host[:next-1], q.host[next:]
	}
	return q.host, ""
}
