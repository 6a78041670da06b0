package mirror

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Rule is one direction of mirroring: copies of From's natives at To. It is
// immutable once a Loop has it.
type Rule struct {
	Owner      string          // the bridge's name, in every mark
	From, To   catalog.Origin  // there is one rule for a pair
	Bridges    []string        // owners whose mirrors at From are copied as well
	Namespaces []string        // of the originals: names, patterns with '*', and either with '!'; none: DefaultNamespaces
	Names      []string        // of the originals, as Namespaces; none: all
	Tags       []string        // only instances with one of these, and with none with '!'; none: all
	Passing    bool            // an instance with a check that warns is not ready
	Labels     labels.Selector // of the originals; nil: all
	OptIn      bool            // only originals whose users say so are mirrored
	Exports    bool            // only originals whose users say so, or export them, are mirrored
	Named      []string        // prefixes of names that originals may choose for their mirrors; none: they may not
	Naming     registry.Naming
	Address    AddressPolicy
	Split      bool // a mirror for each port
	Share      bool // mirrors may stand beside what others have under their names
	Internal   bool // nodes are reached at their internal addresses, also where they have others
	Outside    bool // nodes are reached at their external addresses alone, those without not at all
	Inward     bool // To speaks for namespaces: they must exist there, and protected ones are never written to
	Make       bool // inward: namespaces that are missing are made
	Virtual    bool // inward: mirrors get a virtual address at To
	Limit      Limit
	Hold       time.Duration // after which a held deletion is looked at again; 0: never released by time
	Blocks     []Block       // what is otherwise for some originals: the first one that selects an original counts
}

// DefaultNamespaces selects all namespaces but the cluster's own.
func DefaultNamespaces() []string { return []string{"*", "!kube-*"} }

// String names the rule: "kubernetes/prod:consul/dc1".
func (r *Rule) String() string { return string(r.From) + ":" + string(r.To) }

// target returns the key that the mirror of an original stands under: the name
// that it chose, if it may, or the one that the rule gives it, which is what is
// said for that original.
func (r *Rule) target(original *catalog.Service) catalog.Key {
	is := keyOf(original.Key, original.Mark)
	k := catalog.Key{
		Namespace: strings.ToLower(fill(r.Naming.Namespace, is)),
		Name:      strings.ToLower(fill(r.Naming.Name, is)),
	}
	if name, _ := r.chosen(original); name != "" {
		k.Name = name
	}
	if r.Inward {
		k.Namespace, k.Name = label(k.Namespace, ""), label(k.Name, "svc-")
	}
	return k
}

// fill returns a template with the words of an original in it. What looks like a
// template in those stays as it is.
func fill(template string, is catalog.Key) string {
	before, rest, found := strings.Cut(template, "{")
	if !found {
		return template
	}
	if after, ok := strings.CutPrefix(rest, "service}"); ok {
		return before + is.Name + fill(after, is)
	}
	if after, ok := strings.CutPrefix(rest, "namespace}"); ok {
		return before + is.Namespace + fill(after, is)
	}
	return before + "{" + fill(rest, is)
}

// CheckTemplate returns an error if t is no template of a name: words between
// braces other than service and namespace, or braces that do not match.
func CheckTemplate(t string) error {
	rest := strings.NewReplacer("{service}", "", "{namespace}", "").Replace(t)
	if t == "" || strings.ContainsAny(rest, "{}/ ") {
		return fmt.Errorf("name template %q: want text with {service} and {namespace}", t)
	}
	return nil
}

// Writable returns why nothing may be written in the target's namespace ns;
// nil if it may.
func (r *Rule) Writable(ns string) error {
	if r.Inward && (ns == "default" || strings.HasPrefix(ns, "kube-")) {
		return fmt.Errorf("namespace %q is protected: %w", ns, registry.ErrNotOwned)
	}
	return nil
}

// Limit is a deletion budget: what may go without being asked. A loss is
// within it if it is of at most Services services, or of at most Percent of the
// instances that the rule has at its target.
type Limit struct{ Services, Percent int }

// DefaultLimit is the greater of 10 services and 20 % of the instances.
func DefaultLimit() Limit { return Limit{Services: 10, Percent: 20} }

// DefaultHold is how long held deletions wait for their second look.
const DefaultHold = 5 * time.Minute

// Loss counts services that go, and their instances.
type Loss struct{ Services, Instances int }

func (l Loss) plus(o Loss) Loss {
	return Loss{l.Services + o.Services, l.Instances + o.Instances}
}

// exceeded reports whether a loss is more than the limit allows of total
// instances.
func (l Limit) exceeded(loss Loss, total int) bool {
	return loss.Services > l.Services && loss.Instances*100 > l.Percent*total
}
