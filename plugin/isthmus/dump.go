package isthmus

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// held is what a dump says of one origin, besides its services.
type held struct {
	Origin     catalog.Origin    `json:"origin"`
	Identity   catalog.Identity  `json:"identity,omitempty"`
	Synced     bool              `json:"synced"`
	Connected  bool              `json:"connected"`
	Since      *time.Time        `json:"since,omitempty"` // since when it is connected or not
	News       *time.Time        `json:"news,omitempty"`  // when it was last heard of
	Stale      *time.Time        `json:"stale,omitempty"` // when what is answered was last known to be true
	Error      string            `json:"error,omitempty"` // why it is not connected
	Partial    string            `json:"partial,omitempty"`
	Namespaces []string          `json:"namespaces,omitempty"`
	Pods       int               `json:"pods"`
	Count      int               `json:"count"` // of services
	Endpoints  int               `json:"endpoints"`
	Refused    map[string]string `json:"refused,omitempty"`
}

func heldOf(snap *catalog.Snapshot, st catalog.State) held {
	h := held{
		Origin: st.Origin, Identity: st.Identity, Synced: st.Synced, Connected: st.Connected, Count: st.Services, Endpoints: st.Endpoints,
		Since: someTime(st.Since), News: someTime(st.News), Stale: someTime(st.Stale),
		Error: text(st.Err), Partial: text(st.Partial),
		Namespaces: slices.Sorted(snap.Namespaces(st.Origin)),
		Refused:    map[string]string{},
	}
	for range snap.PodsFrom(st.Origin) {
		h.Pods++
	}
	for record, err := range snap.Refused(st.Origin) {
		h.Refused[record] = text(err)
	}
	return h
}

func someTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// wanted visits the services of an origin, sorted, or those of one key.
func wanted(snap *catalog.Snapshot, o catalog.Origin, only *catalog.Key) iter.Seq[*catalog.Service] {
	var all []catalog.Ref
	for svc := range snap.From(o) {
		if only == nil || svc.Key == *only {
			all = append(all, svc.Ref())
		}
	}
	slices.SortFunc(all, func(a, b catalog.Ref) int {
		return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.Owner, b.Owner))
	})
	return func(yield func(*catalog.Service) bool) {
		for _, ref := range all {
			if !yield(snap.Get(o, ref)) {
				return
			}
		}
	}
}

func zoneNames(v *view) []string {
	var all []string
	for _, z := range v.conf.zones {
		all = append(all, z.name)
	}
	return all
}

// writeText writes what the views hold for people. What is no service stands
// behind a '#', so that all of it is the catalog's text form. An error is the
// client's, who went away.
func writeText(w io.Writer, views []*view, only *catalog.Key) {
	to := bufio.NewWriter(w)
	defer to.Flush()
	for _, v := range views {
		fmt.Fprintf(to, "# zones %s serial %d ready %t\n", strings.Join(zoneNames(v), " "), v.serial.number, v.ready())
		for _, st := range v.snap.Origins() {
			writeHeld(to, heldOf(v.snap, st))
			for svc := range wanted(v.snap, st.Origin, only) {
				if _, err := to.WriteString(svc.Text()); err != nil {
					return
				}
			}
		}
		if only != nil {
			writeAnswered(to, v.snap.Lookup(*only))
		}
	}
}

func writeHeld(to io.Writer, h held) {
	fmt.Fprintf(to, "# origin %s identity %q synced %t connected %t", h.Origin, h.Identity, h.Synced, h.Connected)
	for _, x := range []struct {
		what string
		at   *time.Time
	}{{"since", h.Since}, {"news", h.News}, {"stale", h.Stale}} {
		if x.at != nil {
			fmt.Fprintf(to, " %s %s", x.what, x.at.Format(time.RFC3339))
		}
	}
	fmt.Fprintf(to, " services %d endpoints %d namespaces %d pods %d refused %d\n", h.Count, h.Endpoints, len(h.Namespaces), h.Pods, len(h.Refused))
	if h.Error != "" {
		fmt.Fprintf(to, "# not connected: %q\n", h.Error)
	}
	if h.Partial != "" {
		fmt.Fprintf(to, "# may not be all: %q\n", h.Partial)
	}
	if len(h.Namespaces) > 0 {
		fmt.Fprintf(to, "# namespaces %s\n", strings.Join(h.Namespaces, " "))
	}
	for _, record := range slices.Sorted(maps.Keys(h.Refused)) {
		fmt.Fprintf(to, "# refused %q: %q\n", record, h.Refused[record])
	}
}

// writeAnswered writes what all origins together answer under a key.
func writeAnswered(to io.Writer, svc *catalog.Service) {
	if svc == nil {
		fmt.Fprintln(to, "# answered: nothing")
		return
	}
	fmt.Fprintln(to, "# answered:")
	for line := range strings.Lines(svc.Text()) {
		fmt.Fprint(to, "#\t", line)
	}
}

// writeJSON writes the same for programs, one service at a time.
func writeJSON(w io.Writer, views []*view, only *catalog.Key) {
	to := bufio.NewWriter(w)
	defer to.Flush()
	out := json.NewEncoder(to)
	fmt.Fprint(to, `{"blocks":[`)
	for i, v := range views {
		comma(to, i)
		fmt.Fprint(to, `{"zones":`)
		_ = out.Encode(zoneNames(v))
		fmt.Fprintf(to, `,"serial":%d,"ready":%t,"origins":[`, v.serial.number, v.ready())
		for j, st := range v.snap.Origins() {
			comma(to, j)
			fmt.Fprint(to, `{"held":`)
			_ = out.Encode(heldOf(v.snap, st))
			fmt.Fprint(to, `,"services":[`)
			n := 0
			for svc := range wanted(v.snap, st.Origin, only) {
				comma(to, n)
				n++
				if out.Encode(shown(svc)) != nil {
					return
				}
			}
			fmt.Fprint(to, `]}`)
		}
		fmt.Fprint(to, `]`)
		if only != nil {
			fmt.Fprint(to, `,"answered":`)
			_ = out.Encode(shown(v.snap.Lookup(*only)))
		}
		fmt.Fprint(to, `}`)
	}
	fmt.Fprintln(to, `]}`)
}

func comma(to io.Writer, i int) {
	if i > 0 {
		fmt.Fprint(to, ",")
	}
}
