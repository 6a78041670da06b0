package registry

import (
	"log/slog"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Type is one kind of registry: a line in the list of package all.
type Type struct {
	Name string // the stanza's first word and the first part of its origins
	// Parse reads a stanza whose first word is Name and the rest its name and
	// arguments. It does no I/O and reads no file; env looks up the
	// environment variables that users of the registry already set, which the
	// file overrides. Errors name file, line and word.
	Parse func(s stanza.Stanza, env func(string) string) (Config, error)
}

// Config is one parsed stanza: a registry that can be opened. It is immutable.
type Config interface {
	// Origin is TYPE/NAME.
	Origin() catalog.Origin
	// Policy is what the stanza grants the origin where catalogs are unified.
	Policy() catalog.OriginPolicy
	// Naming is what a mirror is called there unless its rule says otherwise.
	Naming() Naming
	// Reader opens the registry for reading. It does not connect: a registry
	// that cannot be reached is no error here, files that cannot be read are.
	Reader(log *slog.Logger) (Registry, error)
	// Writer opens it for owner to write to, too. It returns an error that
	// wraps errors.ErrUnsupported if the registry is read-only.
	Writer(owner string, log *slog.Logger) (Writer, error)
	// String is the stanza in one line without secrets.
	String() string
}

// Importer is a Config whose registry may also hold services that others export
// to it: those of all clusters of a set, in Kubernetes.
type Importer interface {
	Config
	// Imports opens these services for reading, as Reader opens the registry's
	// own. They are reported under the same origin, so to a catalog of their own,
	// with the registry's namespaces. An endpoint names its cluster.
	Imports(log *slog.Logger) (Registry, error)
}

// Detailer is a Config whose registry has more to tell than names resolve to.
// What nobody asked for is not kept.
type Detailer interface {
	Config
	// Detailed returns the same registry, which reports details, too.
	Detailed(Details) Config
}

// Details are what a bridge may want to know of native services and of what is
// beside them. Who wants any is a bridge, and not one of many DNS servers.
type Details struct {
	Notes   bool // what users tell a bridge, in Meta: annotations, and how a service is exposed
	Labels  bool // with Notes: the labels of services
	Exports bool // with Notes: which services their users export
	Joins   bool // what bridges joined to native services, as mirrors beside them and not as a part of them
	Nodes   bool // nodes with their addresses, by Feed.ReplaceNodes before the first Replace
	Ranges  bool // the networks of its virtual addresses, by Feed.ReplaceRanges before the first Replace, where it has them and they may be read
}

// Naming holds the templates of a mirror's key. {namespace} and {service}
// stand for the original's. An empty Namespace means that the rule must say.
type Naming struct{ Namespace, Name string }
