package registry

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Hosts are those that records of a registry may name, of those that CheckAddr
// lets through. The zero value lets all of them.
type Hosts struct {
	allow, deny []netip.Prefix // networks; without any in allow, all
	names       []string       // domains, in lower case; without any, all
}

// Option reads one of the words allow_cidr, deny_cidr and allow_names, and reports
// whether o is one.
func (h *Hosts) Option(o stanza.Stanza) (is bool, err error) {
	switch o.Name() {
	case "allow_cidr":
		h.allow, err = networks(o)
	case "deny_cidr":
		h.deny, err = networks(o)
	case "allow_names":
		h.names, err = domains(o)
	default:
		return false, nil
	}
	return true, err
}

func networks(o stanza.Stanza) (all []netip.Prefix, err error) {
	if err := o.WantArgs(1, -1, o.Name()+" CIDR..."); err != nil {
		return nil, err
	}
	for _, text := range o.Args() {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() {
			return nil, o.Errorf("%s: %q is no network such as 10.96.0.0/16 or fd00:10:96::/112", o.Name(), text)
		}
		all = append(all, p)
	}
	return all, nil
}

func domains(o stanza.Stanza) (all []string, err error) {
	if err := o.WantArgs(1, -1, o.Name()+" DOMAIN..."); err != nil {
		return nil, err
	}
	for _, text := range o.Args() {
		d := strings.ToLower(strings.Trim(text, "."))
		if d == "" || strings.ContainsAny(d, "*/:") {
			return nil, o.Errorf("%s: %q is no domain such as example.org", o.Name(), text)
		}
		all = append(all, d)
	}
	return all, nil
}

// Check returns an error that wraps ErrInvalid if a record may not name host. A
// registry asks it of every record but those that the asking bridge wrote itself,
// be there a mark or not: whoever can write a record can write a mark.
func (h *Hosts) Check(host catalog.Host) error {
	a := host.Addr
	in := func(p netip.Prefix) bool { return p.Contains(a) }
	switch {
	case a.IsValid() && slices.ContainsFunc(h.deny, in):
		return fmt.Errorf("address %q is in a network of deny_cidr: %w", a, ErrInvalid)
	case a.IsValid() && len(h.allow) > 0 && !slices.ContainsFunc(h.allow, in):
		return fmt.Errorf("address %q is in no network of allow_cidr: %w", a, ErrInvalid)
	case !a.IsValid() && len(h.names) > 0 && !slices.ContainsFunc(h.names, func(d string) bool { return within(host.Name, d) }):
		return fmt.Errorf("name %q is in no domain of allow_names: %w", host.Name, ErrInvalid)
	}
	return nil
}

// within reports whether a name is a domain or below it.
func within(name, domain string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	above, ok := strings.CutSuffix(name, domain)
	return ok && (above == "" || strings.HasSuffix(above, "."))
}

// String is what the words say, one after the other, each after a space.
func (h *Hosts) String() string {
	var b strings.Builder
	for _, o := range []struct {
		word string
		all  []netip.Prefix
	}{{"allow_cidr", h.allow}, {"deny_cidr", h.deny}} {
		for i, p := range o.all {
			b.WriteString(before(i, o.word) + p.String())
		}
	}
	for i, d := range h.names {
		b.WriteString(before(i, "allow_names") + d)
	}
	return b.String()
}

func before(i int, word string) string {
	if i > 0 {
		return ","
	}
	return " " + word + "="
}
