package kubernetes

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Granter = (*config)(nil)

// rights gathers rules by the namespace that they are for, "" for all.
type rights map[string][]rbacv1.PolicyRule

func (r rights) add(ns string, rule rbacv1.PolicyRule) { r[ns] = append(r[ns], rule) }

// Rights returns a ClusterRole and Roles, which still have to be bound.
func (c *config) Rights(u registry.Use) registry.Rights {
	r := rights{}
	if u.Reads || len(u.Mirrors) > 0 {
		c.reading(r, len(u.Mirrors) > 0)
	}
	c.writing(r, u)
	if u.Tells {
		c.telling(r)
	}
	if u.Elects {
		electing(r, u)
	}
	var texts []string
	for _, o := range r.objects("isthmus-" + u.Owner) {
		text, err := yaml.Marshal(o)
		if err != nil {
			continue // of types that can always be written
		}
		texts = append(texts, string(text))
	}
	return registry.Rights{Form: "a ClusterRole and Roles, in YAML", Text: strings.Join(texts, "---\n")}
}

// objects are those of the rules, by namespace.
func (r rights) objects(name string) []any {
	var all []any
	for _, ns := range sortedKeys(r) {
		meta := metav1.ObjectMeta{Name: name, Namespace: ns}
		of := metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"}
		if ns == "" {
			of.Kind = "ClusterRole"
			all = append(all, rbacv1.ClusterRole{TypeMeta: of, ObjectMeta: meta, Rules: r[ns]})
			continue
		}
		all = append(all, rbacv1.Role{TypeMeta: of, ObjectMeta: meta, Rules: r[ns]})
	}
	return all
}

func sortedKeys(r rights) []string {
	var all []string
	for ns := range r {
		all = append(all, ns)
	}
	slices.Sort(all)
	return all
}

// may is a rule for resources of the core group, or GROUP/RESOURCE of another.
func may(resource string, verbs ...string) rbacv1.PolicyRule {
	group, name, ok := strings.Cut(resource, "/")
	if !ok {
		group, name = "", resource
	}
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{name}, Verbs: verbs}
}

// only is a rule for the objects that are named.
func only(r rbacv1.PolicyRule, names ...string) rbacv1.PolicyRule {
	r.ResourceNames = names
	return r
}

const (
	slicesIn  = "discovery.k8s.io/endpointslices"
	exportsIn = "multicluster.x-k8s.io/serviceexports"
	leasesIn  = "coordination.k8s.io/leases"
	rangesIn  = "networking.k8s.io/servicecidrs"
)

// everywhere are the namespaces whose services are read; "": all.
func (c *config) everywhere() []string {
	if len(c.namespaces) > 0 {
		return c.namespaces
	}
	return []string{""}
}

func (c *config) reading(r rights, writes bool) {
	for _, ns := range c.everywhere() {
		r.add(ns, may("services", "list", "watch"))
		if !c.noEndpoints {
			r.add(ns, may(slicesIn, "list", "watch"))
		}
		if c.pods {
			r.add(ns, may("pods", "list", "watch"))
		}
		if c.details.Exports {
			r.add(ns, may(exportsIn, "list", "watch"))
		}
	}
	switch system := metav1.NamespaceSystem; {
	case len(c.namespaces) == 0:
		r.add("", may("namespaces", "list", "watch"))
	case writes:
		r.add("", only(may("namespaces", "list", "watch"), append([]string{system}, c.namespaces...)...))
	default:
		r.add("", only(may("namespaces", "list"), system))
	}
	if c.details.Nodes {
		r.add("", may("nodes", "list", "watch"))
	}
	if c.details.Ranges {
		r.add("", may(rangesIn, "list", "watch"))
	}
}

func (c *config) writing(r rights, u registry.Use) {
	if len(u.Mirrors) == 0 {
		return
	}
	var at []string
	for _, n := range u.Mirrors {
		if strings.Contains(n.Namespace, "{") {
			at = append(at, c.everywhere()...)
			continue
		}
		at = append(at, strings.ToLower(n.Namespace))
	}
	slices.Sort(at)
	if at = slices.Compact(at); at[0] == "" {
		at = at[:1] // which is all of them
	}
	for _, ns := range at {
		verbs := []string{"get", "create", "update", "delete"}
		if u.Tells && (len(c.namespaces) == 0 || slices.Contains(c.namespaces, ns)) {
			verbs = verbs[1:] // see telling
		}
		r.add(ns, may("services", verbs...))
		r.add(ns, may(slicesIn, "get", "create", "update", "delete"))
	}
	if u.Makes {
		r.add("", may("namespaces", "create"))
	}
	name, _ := fenceName(u.Owner)
	r.add(c.fenceNamespace, may("configmaps", "create"))
	r.add(c.fenceNamespace, only(may("configmaps", "get", "update"), name))
}

func (c *config) telling(r rights) {
	for _, ns := range c.everywhere() {
		r.add(ns, may("services", "get"))
		r.add(ns, may("events", "create", "patch"))
	}
}

func electing(r rights, u registry.Use) {
	namespace, name, _ := strings.Cut(cmp.Or(u.Place, "NAMESPACE-OF-THE-POD/isthmus-"+u.Owner), "/")
	r.add(namespace, may(leasesIn, "create"))
	r.add(namespace, only(may(leasesIn, "get", "update", "watch"), name))
}
