package mirror

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Annotations by which the users of an original steer its mirrors. Those of
// consul-k8s count where the mirror is in Consul. The time to live and the weight
// of isthmus.dev are the registry's to read, since they hold everywhere.
const (
	noteExport  = "isthmus.dev/export"
	noteAddress = "isthmus.dev/address"
	noteWeight  = "isthmus.dev/weight"
	noteSync    = "consul.hashicorp.com/service-sync"
	noteName    = "consul.hashicorp.com/service-name"
	notePort    = "consul.hashicorp.com/service-port"
	noteTags    = "consul.hashicorp.com/service-tags"
	noteHeavy   = "consul.hashicorp.com/service-weight"
	noteMeta    = "consul.hashicorp.com/service-meta-" // and the name of metadata
)

// choices are what the users of one original say of its mirror.
//
//	annotation                       what is wrong with it     then
//	export, service-sync             neither true nor false    refused: it may be meant either way
//	service-name                     no name                   refused: what stands there stays
//	service-name                     the rule does not let it  the rule's name, and said
//	address, -port, -weight, -meta-  anything                  as if it were not there, and said
type choices struct {
	export  bool
	address AddressPolicy
	name    string // "": as the rule says
	port    string
	first   string // the port to take if there is one of that name and none is chosen
	tags    []string
	weight  int
	meta    map[string]string
	wrong   []error
}

// choices reads what is noted of src. An error means that it is not to be
// mirrored now, and that what is there of it stands.
func (r *Rule) choices(src *catalog.Service) (c choices, err error) {
	c = choices{address: r.Address}
	if c.export, err = r.exports(src); err != nil || !c.export {
		return c, err
	}
	if word, ok := src.Meta[noteAddress]; ok {
		p, err := ParseAddressPolicy(strings.TrimSpace(word))
		if err == nil {
			c.address = p
		} else {
			c.mind(noteAddress, err)
		}
	}
	c.weight, _ = parseWeight(src.Meta[noteWeight]) // the registry says what is wrong with it
	if !r.toConsul() {
		return c, nil
	}
	if c.name, err = r.chosen(src); err != nil {
		if !errors.Is(err, errNotLet) {
			return c, err
		}
		c.mind(noteName, err)
	}
	c.consul(src.Meta)
	return c, nil
}

// mind notes what is wrong with an annotation.
func (c *choices) mind(annotation string, err error) {
	c.wrong = append(c.wrong, fmt.Errorf("annotation %s: %w", annotation, err))
}

func (r *Rule) toConsul() bool { return r.To.Type() == "consul" }

// exports reports whether src is to be mirrored, by its labels and by what its
// users say; isthmus.dev/export comes before the other, and both before a
// ServiceExport.
func (r *Rule) exports(src *catalog.Service) (bool, error) {
	if r.Labels != nil && !r.Labels.Matches(labelsOf(src.Meta)) {
		return false, nil
	}
	for _, annotation := range []string{noteExport, noteSync} {
		text, ok := src.Meta[annotation]
		if !ok || annotation == noteSync && !r.toConsul() {
			continue
		}
		export, err := strconv.ParseBool(strings.TrimSpace(text))
		if err != nil {
			return false, fmt.Errorf("annotation %s: %q is neither true nor false: %w", annotation, text, registry.ErrInvalid)
		}
		return export, nil
	}
	if !r.Exports {
		return !r.OptIn, nil
	}
	exported := src.Meta[catalog.NoteExport]
	if exported == catalog.ExportUnknown {
		return false, errExportsUnknown
	}
	return exported == catalog.ExportWanted, nil
}

// errExportsUnknown is said once of a rule, and not of each of its originals.
var errExportsUnknown = errors.New("which services are exported cannot be read: ServiceExports are not defined, or the right to list and watch them is missing")

// labelsOf lets a selector see the labels among notes.
type labelsOf map[string]string

// Has reports whether there is a label of that name.
func (l labelsOf) Has(name string) bool { _, ok := l.Lookup(name); return ok }

// Get returns its value, or "".
func (l labelsOf) Get(name string) string { return l[catalog.NoteLabel+name] }

// Lookup returns its value, and whether it is there.
func (l labelsOf) Lookup(name string) (string, bool) {
	v, ok := l[catalog.NoteLabel+name]
	return v, ok
}

var errNotLet = errors.New("annotated_names does not let it")

// chosen returns the name that src asks for, "" if none.
func (r *Rule) chosen(src *catalog.Service) (string, error) {
	text, ok := src.Meta[noteName]
	if !ok || !r.toConsul() {
		return "", nil
	}
	name := strings.ToLower(strings.TrimSpace(text))
	lets := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	switch {
	case !slices.ContainsFunc(r.Named, lets):
		return "", fmt.Errorf("%.100q: %w", name, errNotLet)
	case name == "" || len(name) > 255 || strings.ContainsAny(name, "/ \t\n"):
		return "", fmt.Errorf("annotation %s: %.300q is no name: %w", noteName, text, registry.ErrInvalid)
	}
	return name, nil
}

// consul reads the other annotations of consul-k8s.
func (c *choices) consul(meta map[string]string) {
	c.port, c.first = strings.ToLower(strings.TrimSpace(meta[notePort])), meta[catalog.NoteFirst]
	c.tags = splitTags(meta[noteTags])
	if text, ok := meta[noteHeavy]; ok {
		w, err := parseWeight(text)
		if err != nil {
			c.mind(noteHeavy, err)
		} else if c.weight == 0 {
			c.weight = w
		}
	}
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		name, ok := strings.CutPrefix(k, noteMeta)
		switch {
		case !ok:
		case name == "":
			c.mind(k, errors.New("it names no metadata"))
		default:
			if c.meta == nil {
				c.meta = map[string]string{}
			}
			c.meta[name] = meta[k]
		}
	}
}

func parseWeight(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("%q is no weight from 1 to 65535", text)
	}
	return n, nil
}

// splitTags reads a list with commas, "\," for one that is part of a tag.
// Spaces around tags and empty ones do not count.
func splitTags(text string) []string {
	var all []string
	var tag strings.Builder
	end := func() {
		if t := strings.TrimSpace(tag.String()); t != "" {
			all = append(all, t)
		}
		tag.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], `\,`):
			tag.WriteByte(',')
			i++
		case text[i] == ',':
			end()
		default:
			tag.WriteByte(text[i])
		}
	}
	end()
	return all
}

// marked returns the instances with the weight, the tags and the main port that
// were chosen for them, and the name of that port. all is kept as it is.
func (c *choices) marked(all []catalog.Endpoint) ([]catalog.Endpoint, string) {
	if c.weight == 0 && len(c.tags) == 0 && c.port == "" {
		return all, c.firstPort(all)
	}
	all = slices.Clone(all)
	main, extra := c.mainPort(all)
	for i := range all {
		e := &all[i]
		if e.Weight == 0 {
			e.Weight = c.weight
		}
		e.Tags = append(slices.Clip(e.Tags), c.tags...)
		if extra.Number > 0 {
			e.Ports = append(slices.Clip(e.Ports), extra)
			slices.SortFunc(e.Ports, catalog.Port.Compare)
		}
	}
	return all, main
}

// firstPort returns the name of the original's first port if that says something
// of its instances.
func (c *choices) firstPort(all []catalog.Endpoint) string {
	first := func(p catalog.Port) bool { return p.Name == c.first }
	if c.first != "" && slices.ContainsFunc(all, func(e catalog.Endpoint) bool { return slices.ContainsFunc(e.Ports, first) }) {
		return c.first
	}
	return ""
}

// mainPort returns the name of the port that was chosen, or else of the first, and
// that port where it has to be added: a number that no instance has.
func (c *choices) mainPort(all []catalog.Endpoint) (name string, extra catalog.Port) {
	if c.port == "" || len(all) == 0 {
		return c.firstPort(all), extra
	}
	number, err := strconv.ParseUint(c.port, 10, 16)
	names := map[string]bool{}
	for _, e := range all {
		for _, p := range e.Ports {
			if p.Name == c.port || err == nil && p.Number == uint16(number) {
				return p.Name, extra
			}
			names[p.Name] = true
		}
	}
	if err != nil || number == 0 {
		c.mind(notePort, fmt.Errorf("%q is none of the ports", c.port))
		return "", extra
	}
	name = "default"
	if names[name] {
		name = "port-" + c.port
	}
	return name, catalog.Port{Name: name, Proto: catalog.TCP, Number: uint16(number)}
}

// metaOf returns the metadata that a mirror gets: what its original has but for
// notes, and what was chosen for it.
func (c *choices) metaOf(src *catalog.Service, mainPort string) map[string]string {
	var meta map[string]string
	set := func(k, v string) {
		if meta == nil {
			meta = map[string]string{}
		}
		meta[k] = v
	}
	for k, v := range src.Meta {
		if !isNote(k) {
			set(k, v)
		}
	}
	for k, v := range c.meta {
		set(k, v)
	}
	if mainPort != "" {
		set(catalog.MetaMainPort, mainPort)
	}
	return meta
}

// isNote reports whether an entry of metadata is meant for the bridge.
func isNote(name string) bool {
	for _, prefix := range []string{"isthmus.dev/", "consul.hashicorp.com/", catalog.NoteLabel, catalog.NoteType, catalog.NoteNodePort, catalog.NoteBalancer, catalog.NoteFirst, catalog.NoteExport} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
