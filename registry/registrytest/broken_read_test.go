package registrytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// readBreakages are wrong in what a feed hears.
func readBreakages() []breakage {
	return slices.Concat(firstBreakages(), changeBreakages(), refusalBreakages(), watchBreakages())
}

func keep(r *report, ok func(*catalog.Service) bool) {
	r.set = slices.DeleteFunc(r.set, func(s *catalog.Service) bool { return !ok(s) })
}

func firstBreakages() []breakage {
	return []breakage{
		{name: "an empty registry is never reported", reds: []string{"the first report of an empty registry is empty"},
			report: func(_ *brokenClient, r *report) { r.skip = r.first && len(r.set) == 0 }},
		{name: "no identity", reds: []string{"the identity stands in the first report"},
			report: func(_ *brokenClient, r *report) { r.identity = "" }},
		{name: "a new identity for each client", reds: []string{"the identity stays"},
			report: func(c *brokenClient, r *report) { r.identity = catalog.Identity(fmt.Sprint("memory:", c.number)) }},
		{name: "a new identity for each watch", reds: []string{"the identity stays"},
			report: func(c *brokenClient, r *report) { r.identity = catalog.Identity(fmt.Sprint("memory:", c.watches)) }},
		{name: "the identity is asked for once", reds: []string{"of another registry at the address *", "the claim of one registry *"},
			report: func(c *brokenClient, r *report) {
				c.learned = append(c.learned, r.identity)
				r.identity = c.learned[0]
			}},
		{name: "another registry is known by its name alone", reds: []string{"of another registry at the address *"},
			report: func(c *brokenClient, r *report) {
				if c.learned = append(c.learned, r.identity); r.identity != c.learned[0] {
					r.first, r.set = false, nil
				}
			}},
		{name: "who was away stays away", reds: []string{"the first registry at the address again is what it was"},
			report: func(c *brokenClient, r *report) {
				c.learned = append(c.learned, r.identity)
				r.skip = len(c.learned) > 1 && c.learned[len(c.learned)-2] != c.learned[0]
			}},
		{name: "the first report is always empty", reds: []string{"natives are in the first report", "1,500 endpoints are read", "Watch can be called again"},
			report: func(_ *brokenClient, r *report) { keep(r, func(*catalog.Service) bool { return !r.first }) }},
		{name: "one namespace is not read", reds: []string{"natives of several namespaces are told apart"},
			report: func(_ *brokenClient, r *report) {
				keep(r, func(s *catalog.Service) bool { return s.Namespace != "farm" })
			}},
		{name: "natives are taken for mirrors", reds: []string{"a native has no mark", "a native comes back after a restart as native"},
			report: func(_ *brokenClient, r *report) {
				for _, s := range r.set {
					if s.Mark == nil {
						s.Mark = &catalog.Mark{Owner: owner}
					}
				}
			}},
		{name: "a second copy of each native has a mark", reds: []string{"a native has no mark"},
			report: func(_ *brokenClient, r *report) {
				for _, s := range slices.Clone(r.set) {
					r.set = append(r.set, changed(s, func(c *catalog.Service) { c.Mark = &catalog.Mark{Owner: owner} }))
				}
			}},
		{name: "1,000 endpoints are read", reds: []string{"1,500 endpoints are read"},
			report: func(_ *brokenClient, r *report) {
				for _, s := range r.set {
					s.Endpoints = s.Endpoints[:min(len(s.Endpoints), 1000)]
				}
			}},
		{name: "the second reader sees nothing", reds: []string{"two readers see the same"},
			report: func(c *brokenClient, r *report) { keep(r, func(*catalog.Service) bool { return c.number < 2 }) }},
		{name: "namespaces come after the first report", reds: []string{"namespaces stand in the first report"},
			report: func(_ *brokenClient, r *report) {
				if r.first {
					r.namespaces = nil
				}
			}},
		{name: "namespaces are read once", reds: []string{"a namespace that comes and goes is seen"},
			report: func(_ *brokenClient, r *report) {
				if !r.first {
					r.namespaces = nil
				}
			}},
		{name: "namespaces never go", reds: []string{"a namespace that comes and goes is seen"},
			report: func(c *brokenClient, r *report) {
				if len(r.namespaces) > 0 || c.memo["namespace"] > 0 {
					c.memo["namespace"]++
					r.namespaces = []string{"quiet"}
				}
			}},
	}
}

func changeBreakages() []breakage {
	return []breakage{
		{name: "what comes is not seen", reds: []string{"a native that comes is seen", "a native that comes back is seen"},
			report: func(_ *brokenClient, r *report) { keep(r, func(*catalog.Service) bool { return r.first }) }},
		{name: "what goes is not seen", reds: []string{"a native that goes is seen", "what was erased is seen and put right", "a delete is seen by other readers and stays"},
			report: func(_ *brokenClient, r *report) { r.gone = nil }},
		{name: "endpoints never go", reds: []string{"endpoints that come and go are seen"},
			report: func(c *brokenClient, r *report) {
				keep(r, func(s *catalog.Service) bool {
					most := max(c.memo[s.Name], len(s.Endpoints))
					c.memo[s.Name] = most
					return len(s.Endpoints) == most
				})
			}},
		{name: "ports never change", reds: []string{"a port that changes is seen"},
			report: func(_ *brokenClient, r *report) {
				for _, s := range r.set {
					for i := range s.Endpoints {
						s.Endpoints[i].Ports = []catalog.Port{{Name: "http", Proto: catalog.TCP, Number: 8080}}
					}
				}
			}},
		{name: "all endpoints are ready", reds: []string{"readiness that changes is seen"},
			report: func(_ *brokenClient, r *report) {
				for _, s := range r.set {
					for i := range s.Endpoints {
						s.Endpoints[i].Ready = true
					}
				}
			}},
		{name: "a change takes another service away", reds: []string{"a change leaves other services alone"},
			report: func(_ *brokenClient, r *report) {
				if !r.first && len(r.set) > 0 && r.set[0].Name == "db" {
					r.gone = append(r.gone, catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}})
				}
			}},
		{name: "what was there before stays in the next watch", reds: []string{"what changed while nobody watched is seen", "what changed while cut off is seen afterwards", "a watch that lost its place lists again"},
			report: func(c *brokenClient, r *report) {
				for _, old := range c.place.ghosts {
					r.set = append(r.set, changed(old, func(*catalog.Service) {}))
				}
				c.place.ghosts = slices.Collect(maps.Values(c.told))
				r.gone = nil
			}},
		{name: "what went does not come back", reds: []string{"a native that comes back is seen", "what was deleted can be put again"},
			report: func(c *brokenClient, r *report) {
				keep(r, func(s *catalog.Service) bool { return c.memo["gone "+s.Key.String()] == 0 })
				for _, ref := range r.gone {
					c.memo["gone "+ref.Key.String()]++
				}
			}},
		{name: "what changed in a stall is lost", reds: []string{"what changed in a stall is seen afterwards"},
			report: func(c *brokenClient, r *report) { r.skip = c.place.stalled.Load() }},
		{name: "the second watch reports but once", reds: []string{"what changes after a cut is seen", "a watch that listed again goes on"},
			report: func(c *brokenClient, r *report) { r.skip = !r.first && c.watches > 1 }},
		{name: "a tampered record is not read", reds: []string{"what was tampered with is seen and put right"},
			report: func(_ *brokenClient, r *report) {
				keep(r, func(s *catalog.Service) bool {
					return len(s.Endpoints) == 0 || s.Endpoints[0].Host.String() != "10.99.99.99"
				})
			}},
		{name: "a native takes the mirror's place", reds: []string{"a native that comes leaves the mirror alone", "a mirror stands beside a native"},
			report: func(c *brokenClient, r *report) {
				for ref := range c.told {
					if c.told[catalog.Ref{Key: ref.Key}] != nil && ref.Owner != "" {
						r.gone = append(r.gone, ref)
						keep(r, func(s *catalog.Service) bool { return s.Ref() != ref })
					}
				}
			}},
		{name: "marks lose what they are of", reds: []string{"readers see whose mirror it is and of what"},
			report: func(_ *brokenClient, r *report) {
				for _, s := range r.set {
					if s.Mark != nil {
						s.Mark = &catalog.Mark{Owner: s.Mark.Owner, Key: s.Mark.Key, Format: s.Mark.Format}
					}
				}
			}},
	}
}

func refusalBreakages() []breakage {
	return []breakage{
		{name: "nothing is refused", reds: []string{"a malformed record is named in the first report", "a record that becomes malformed is named"},
			report: func(_ *brokenClient, r *report) { r.refused = nil }},
		{name: "refusals are told at first only", reds: []string{"a record that becomes malformed is named"},
			report: func(_ *brokenClient, r *report) {
				if !r.first {
					r.refused = nil
				}
			}},
		{name: "one bad record hides all", reds: []string{"a malformed record hides no other", "a record that becomes malformed is named"},
			report: func(c *brokenClient, r *report) {
				if len(r.refused) > 0 {
					r.set = nil
					r.gone = slices.Collect(maps.Keys(c.told))
				}
			}},
		{name: "refusals stay", reds: []string{"a malformed record that is mended is named no more", "a record that was mended while nobody watched is named no more"},
			report: func(_ *brokenClient, r *report) {
				maps.DeleteFunc(r.refused, func(_ string, err error) bool { return err == nil })
			}},
		{name: "refusals of an earlier watch stay", reds: []string{"a record that was mended while nobody watched is named no more"},
			report: func(c *brokenClient, r *report) {
				if r.first {
					maps.DeleteFunc(r.refused, func(_ string, err error) bool { return err == nil })
					clear(c.refused)
				}
			}},
	}
}

var errBroken = errors.New("broken on purpose")

// watchBreakages are wrong in how Watch and Close begin and end.
func watchBreakages() []breakage {
	return []breakage{
		{name: "Watch ends with an error of its own", reds: []string{"Watch ends with ctx and says so", "Watch with an ended ctx returns", "Watch can be called again"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				_ = c.relay(ctx, f)
				return errBroken
			}},
		{name: "Watch takes an hour to end", reds: []string{"Watch ends with ctx and says so", "Watch with an ended ctx returns", "Watch ends with ctx in a stall"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				err := c.relay(ctx, f)
				<-time.After(time.Hour)
				return err
			}},
		{name: "Watch works once", reds: []string{"Watch can be called again", "what changed while nobody watched is seen", "the identity stays"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				if c.watches > 0 {
					return errBroken
				}
				return c.relay(ctx, f)
			}},
		{name: "Watch goes on after it returned", reds: []string{"after Watch returned its feed is left alone", "no goroutine is left"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
				go func() {
					defer cancel()
					_ = c.relay(longer, f)
				}()
				<-ctx.Done()
				return ctx.Err()
			}},
		{name: "a goroutine is left", reds: []string{"no goroutine is left"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				go func() { <-time.After(time.Hour) }()
				return c.relay(ctx, f)
			}},
		{name: "a loss empties the catalog", reds: []string{"cut off, the last report stands"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				err := c.relay(ctx, f)
				if ctx.Err() == nil {
					f.Replace(nil)
				}
				return err
			}},
		{name: "a loss is kept secret", reds: []string{"cut off, the feed hears why, and hears it is over", "what changes after a cut is seen", "a watch that lost its place lists again", "a watch that listed again goes on"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				_ = c.relay(ctx, f)
				<-ctx.Done()
				return ctx.Err()
			}},
		{name: "nothing is reported before anything was read", reds: []string{"cut off at start, nothing is reported until it is over"},
			watch: func(c *brokenClient, ctx context.Context, f *catalog.Feed) error {
				f.Replace(nil)
				return c.relay(ctx, f)
			}},
		{name: "Close wants a Watch", reds: []string{"Close without a Watch is no error"},
			closed: func(c *brokenClient) error {
				if c.watches == 0 {
					return errBroken
				}
				return nil
			}},
		{name: "Close fails after a Watch", reds: []string{"Close after a Watch is no error"},
			closed: func(c *brokenClient) error {
				if c.watches > 0 {
					return errBroken
				}
				return nil
			}},
	}
}
