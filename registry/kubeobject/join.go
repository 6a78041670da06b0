package kubeobject

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// Join returns the service that h and its slices make together; see Decode. It
// is new, and its texts are parts of theirs.
func (h *Head) Join(parts []*Part) (*catalog.Service, error) {
	if h.svc == "" {
		return nil, h.err
	}
	return h.join(h.svc.Service(), parts)
}

// Fold is Join for a Feed: endpoints that one slice tells alone stay packed; see
// catalog.Service.
func (h *Head) Fold(parts []*Part) (*catalog.Service, error) {
	if h.svc == "" {
		return nil, h.err
	}
	return h.complete(h.svc.Service(), parts, h.weight == 0)
}

func (h *Head) join(out *catalog.Service, parts []*Part) (*catalog.Service, error) {
	return h.complete(out, parts, false)
}

// complete completes out, which is h's, by its slices.
func (h *Head) complete(out *catalog.Service, parts []*Part, fold bool) (*catalog.Service, error) {
	mine, foreign := partsOf(out.Mark, parts)
	errs := []error{h.err}
	for _, p := range foreign {
		errs = append(errs, fmt.Errorf("endpoint slice %q is not of owner %q", p.Name(), out.Mark.Owner))
	}
	out.Version = versionOf(out.Version, mine)
	if out.Type != catalog.ExternalName {
		if fold && len(mine) == 1 {
			out.Folded = mine[0].endpoints
		} else {
			out.Endpoints = weighted(joined(mine), h.weight)
		}
		for _, p := range mine {
			errs = append(errs, p.err)
			if p.triggered.After(out.Triggered) {
				out.Triggered = p.triggered
			}
		}
	}
	return out, errors.Join(errs...)
}

// partsOf parts the slices that count from those that another wrote, each sorted
// by name.
func partsOf(m *catalog.Mark, all []*Part) (mine, foreign []*Part) {
	for _, p := range all {
		switch {
		case m == nil || m.Owner == catalog.UnknownOwner:
			if p.owner == "" || m == nil && p.joins != nil {
				mine = append(mine, p)
			}
		case p.owner == m.Owner:
			mine = append(mine, p)
		default:
			foreign = append(foreign, p)
		}
	}
	byName := func(a, b *Part) int { return cmp.Compare(a.Name(), b.Name()) }
	slices.SortFunc(mine, byName)
	slices.SortFunc(foreign, byName)
	return mine, foreign
}

// versionOf makes the version of a Service and its slices; see Version.
func versionOf(head string, parts []*Part) string {
	if head == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(head)
	for _, p := range parts {
		b.WriteString(" " + p.text)
	}
	return b.String()
}

// weighted gives w to the endpoints that have no weight of their own.
func weighted(all []catalog.Endpoint, w int) []catalog.Endpoint {
	for i := range all {
		if all[i].Weight == 0 {
			all[i].Weight = w
		}
	}
	return all
}

// joined returns one endpoint for each address, of each cluster, with each set of
// ports and each hostname, sorted by ID.
func joined(parts []*Part) []catalog.Endpoint {
	var all [][]catalog.Endpoint
	mixed := false
	for _, p := range parts {
		if p.endpoints != "" {
			all = append(all, p.endpoints.All())
			mixed = mixed || p.mixed
		}
	}
	switch {
	case len(all) == 0:
		return nil
	case len(all) == 1:
		return all[0]
	}
	one := slices.Clip(slices.Concat(all...))
	if !mixed {
		slices.SortStableFunc(one, byID)
		if !repeats(one) {
			return one
		}
	}
	for i := range one {
		one[i].ID = byAddr(&one[i])
	}
	one, _ = apart(one)
	return one
}

func byID(a, b catalog.Endpoint) int { return cmp.Compare(a.ID, b.ID) }

// repeats reports whether an ID stands several times; all are sorted by it.
func repeats(all []catalog.Endpoint) bool {
	for i := 1; i < len(all); i++ {
		if all[i].ID == all[i-1].ID {
			return true
		}
	}
	return false
}

// apart gives endpoints whose IDs are their addresses such as are unique, and
// sorts them. What is said several times of one is said once. It reports
// whether addresses alone do not tell them apart.
func apart(all []catalog.Endpoint) (kept []catalog.Endpoint, mixed bool) {
	slices.SortStableFunc(all, byID)
	if repeats(all) {
		all = unify(all, byHostname)
		mixed = repeats(all)
	}
	if mixed {
		for i := range all {
			all[i].ID = ""
		}
		setIDs(all)
		slices.SortFunc(all, byID)
	}
	return slices.Clip(all), mixed
}

// unify keeps the best that is said of each endpoint that id tells from others,
// the first if several are.
func unify(all []catalog.Endpoint, id func(*catalog.Endpoint) string) (kept []catalog.Endpoint) {
	at := map[string]int{} // index in kept
	for _, e := range all {
		i, known := at[id(&e)]
		switch {
		case !known:
			at[id(&e)] = len(kept)
			kept = append(kept, e)
		case standing(e) > standing(kept[i]):
			kept[i] = e
		}
	}
	return kept
}

// setIDs names the endpoints: by their address, where it stands once; with the
// port numbers, where these tell them apart; else with all of their ports and,
// if need be, with the hostname.
func setIDs(all []catalog.Endpoint) {
	for _, name := range []func(*catalog.Endpoint) string{byAddr, byNumbers, byPorts, byHostname} {
		times := map[string]int{}
		for i := range all {
			if all[i].ID == "" {
				times[name(&all[i])]++
			}
		}
		for i := range all {
			if id := name(&all[i]); all[i].ID == "" && times[id] == 1 {
				all[i].ID = id
			}
		}
	}
}

// byAddr is the address, in its cluster where there are several.
func byAddr(e *catalog.Endpoint) string {
	if e.Cluster == "" {
		return e.Host.String()
	}
	return e.Cluster + "/" + e.Host.String()
}

func byNumbers(e *catalog.Endpoint) string {
	id := byAddr(e)
	for _, p := range e.Ports {
		id += "-" + strconv.Itoa(int(p.Number))
	}
	return id
}

func byPorts(e *catalog.Endpoint) string { return byAddr(e) + " " + portsText(e.Ports) }

func byHostname(e *catalog.Endpoint) string { return byPorts(e) + e.Hostname }
