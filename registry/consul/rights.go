package consul

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/registry"
)

var _ registry.Granter = (*config)(nil)

// Rights returns the policy of a token. All services and nodes are read, since
// Consul leaves out of its answers what may not be, without a word. Mirrors are
// written by the part of their names that is the same for all.
func (c *config) Rights(u registry.Use) registry.Rights {
	lines := []string{rule("node_prefix", "", "read"), rule("service_prefix", "", "read")}
	if len(u.Mirrors) > 0 {
		lines = append(lines, rule("node_prefix", u.Owner+"-", "write"))
	}
	var prefixes []string
	for _, n := range u.Mirrors {
		fixed, _, _ := strings.Cut(n.Name, "{")
		prefixes = append(prefixes, strings.ToLower(fixed))
	}
	slices.Sort(prefixes)
	for i, p := range prefixes {
		switch {
		case i > 0 && slices.ContainsFunc(prefixes[:i], func(shorter string) bool { return strings.HasPrefix(p, shorter) }):
		case p == "":
			lines[1] = rule("service_prefix", "", "write") // which reads, too
		default:
			lines = append(lines, rule("service_prefix", p, "write"))
		}
	}
	return registry.Rights{Form: "the policy of a token, in HCL", Text: strings.Join(lines, "")}
}

func rule(what, name, policy string) string {
	return fmt.Sprintf("%s %q {\n  policy = %q\n}\n", what, name, policy)
}
