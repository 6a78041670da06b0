package kubernetes

import (
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Type is this kind of registry.
func Type() registry.Type { return registry.Type{Name: "kubernetes", Parse: parse} }

const (
	defaultName  = "cluster"
	defaultQPS   = 200
	defaultFence = "default" // the one namespace that every cluster has and people write to
)

// config is one stanza.
type config struct {
	name            string
	kubeconfig      []string // files
	context         string
	endpoint        string
	cert, key, ca   string
	namespaces      []string // sorted; none: all
	namespaceLabels string
	labels          string
	noEndpoints     bool
	pods            bool // pods are reported, too
	noPodNames      bool
	qps             float64
	burst           int
	maxInflight     int // 0: no limit
	fenceNamespace  string
	compare         time.Duration // 0: as pace says
	words           []string      // what was set, for String
	details         registry.Details
}

func parse(s stanza.Stanza, env func(string) string) (registry.Config, error) {
	if err := s.WantArgs(0, 1, "kubernetes [NAME] { ... }"); err != nil {
		return nil, err
	}
	c := &config{name: defaultName, qps: defaultQPS, fenceNamespace: defaultFence}
	if len(s.Args()) == 1 {
		c.name = s.Args()[0]
	}
	if err := c.options(s.Block); err != nil {
		return nil, err
	}
	if len(c.namespaces) > 0 && c.namespaceLabels != "" {
		return nil, s.Errorf("namespaces and namespace_labels exclude each other")
	}
	if c.cert != "" && c.endpoint == "" {
		return nil, s.Errorf("tls wants an endpoint")
	}
	if files := env("KUBECONFIG"); len(c.kubeconfig) == 0 && c.endpoint == "" && files != "" {
		c.kubeconfig = filepath.SplitList(files)
	}
	if c.burst == 0 {
		c.burst = int(math.Ceil(2 * c.qps))
	}
	return c, nil
}

func (c *config) options(block []stanza.Stanza) error {
	seen := map[string]bool{}
	for _, o := range block {
		if seen[o.Name()] {
			return o.Errorf("%q stands here twice", o.Name())
		}
		seen[o.Name()] = true
		if err := o.NoBlock(); err != nil {
			return err
		}
		if err := c.option(o); err != nil {
			return err
		}
		c.words = append(c.words, strings.Join(redacted(o.Words), " "))
	}
	return nil
}

// option reads one line of the block.
func (c *config) option(o stanza.Stanza) error {
	want, known := usages()[o.Name()]
	if !known {
		return o.Errorf("unknown word %q in the block of a kubernetes registry", o.Name())
	}
	if err := o.WantArgs(want.min, want.max, want.usage); err != nil {
		return err
	}
	return want.set(c, o)
}

// usage says how an option is written and how it is taken up.
type usage struct {
	min, max int
	usage    string
	set      func(*config, stanza.Stanza) error
}

func usages() map[string]usage {
	return map[string]usage{
		"kubeconfig":       {1, 2, "kubeconfig FILE [CONTEXT]", (*config).setKubeconfig},
		"endpoint":         {1, 1, "endpoint URL", (*config).setEndpoint},
		"tls":              {3, 3, "tls CERT KEY CACERT", (*config).setTLS},
		"namespaces":       {1, -1, "namespaces NS...", (*config).setNamespaces},
		"namespace_labels": {1, -1, "namespace_labels SELECTOR", selector(func(c *config) *string { return &c.namespaceLabels })},
		"labels":           {1, -1, "labels SELECTOR", selector(func(c *config) *string { return &c.labels })},
		"noendpoints":      {0, 0, "noendpoints", func(c *config, _ stanza.Stanza) error { c.noEndpoints = true; return nil }},
		"pods":             {0, 0, "pods", func(c *config, _ stanza.Stanza) error { c.pods = true; return nil }},
		"nopodnames":       {0, 0, "nopodnames", func(c *config, _ stanza.Stanza) error { c.noPodNames = true; return nil }},
		"qps":              {1, 1, "qps N", (*config).setQPS},
		"burst":            {1, 1, "burst N", number(func(c *config) *int { return &c.burst })},
		"max_inflight":     {1, 1, "max_inflight N", number(func(c *config) *int { return &c.maxInflight })},
		"compare":          {1, 1, "compare DURATION", (*config).setCompare},
		"fence_namespace":  {1, 1, "fence_namespace NS", func(c *config, o stanza.Stanza) error { c.fenceNamespace = o.Args()[0]; return nil }},
	}
}

func (c *config) setKubeconfig(o stanza.Stanza) error {
	c.kubeconfig = o.Args()[:1]
	if len(o.Args()) == 2 {
		c.context = o.Args()[1]
	}
	return nil
}

func (c *config) setEndpoint(o stanza.Stanza) error {
	c.endpoint = o.Args()[0]
	u, err := url.Parse(c.endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return o.Errorf("%q is no URL of an API server", redactURL(c.endpoint))
	}
	return nil
}

func (c *config) setTLS(o stanza.Stanza) error {
	c.cert, c.key, c.ca = o.Args()[0], o.Args()[1], o.Args()[2]
	return nil
}

func (c *config) setNamespaces(o stanza.Stanza) error {
	c.namespaces = slices.Compact(slices.Sorted(slices.Values(o.Args())))
	return nil
}

func (c *config) setCompare(o stanza.Stanza) (err error) {
	c.compare, err = o.Duration(time.Second)
	return err
}

func selector(of func(*config) *string) func(*config, stanza.Stanza) error {
	return func(c *config, o stanza.Stanza) error {
		text := strings.Join(o.Args(), " ")
		parsed, err := labels.Parse(text)
		if err != nil {
			return o.Errorf("%q is no label selector: %w", text, err)
		}
		*of(c) = parsed.String()
		return nil
	}
}

func (c *config) setQPS(o stanza.Stanza) error {
	n, err := strconv.ParseFloat(o.Args()[0], 32)
	if err != nil || !(n > 0) || math.IsInf(n, 0) {
		return o.Errorf("%s: %q is no positive number", o.Name(), o.Args()[0])
	}
	c.qps = n
	return nil
}

func number(of func(*config) *int) func(*config, stanza.Stanza) error {
	return func(c *config, o stanza.Stanza) error {
		n, err := strconv.Atoi(o.Args()[0])
		if err != nil || n < 1 {
			return o.Errorf("%s: %q is no positive number", o.Name(), o.Args()[0])
		}
		*of(c) = n
		return nil
	}
}

// Origin returns kubernetes/NAME.
func (c *config) Origin() catalog.Origin { return catalog.Origin("kubernetes/" + c.name) }

// Policy lets the origin speak for the namespaces that it holds.
func (c *config) Policy() catalog.OriginPolicy {
	return catalog.OriginPolicy{Origin: c.Origin(), Speaks: true}
}

// Naming leaves the namespace of a mirror to its rule.
func (c *config) Naming() registry.Naming { return registry.Naming{Name: "{service}"} }

// Detailed returns the same registry, which reports details, too.
func (c *config) Detailed(d registry.Details) registry.Config {
	more := *c
	more.details = d
	return &more
}

// Reader opens the registry for reading.
func (c *config) Reader(log *slog.Logger) (registry.Registry, error) { return c.open("", log) }

// Writer opens it for owner. Mirrors that reading would not show, or not whole,
// could not be kept, so labels, noendpoints and nopodnames rule writing out.
func (c *config) Writer(owner string, log *slog.Logger) (registry.Writer, error) {
	if c.labels != "" || c.noEndpoints || c.noPodNames {
		return nil, fmt.Errorf("write to %s: labels, noendpoints and nopodnames hide mirrors from their bridge", c.Origin())
	}
	return c.open(owner, log)
}

// String returns the stanza in one line. It holds no secret: those are in the
// files that it names.
func (c *config) String() string {
	if len(c.words) == 0 {
		return "kubernetes " + c.name
	}
	return "kubernetes " + c.name + " { " + strings.Join(c.words, "; ") + " }"
}

// redacted returns words without what URLs may carry.
func redacted(words []string) []string {
	words = slices.Clone(words)
	for i, w := range words {
		words[i] = redactURL(w)
	}
	return words
}

func redactURL(text string) string {
	at := strings.LastIndex(text, "@")
	scheme, _, ok := strings.Cut(text, "://")
	if at < 0 || !ok {
		return text
	}
	return scheme + "://xxxxx" + text[at:]
}
