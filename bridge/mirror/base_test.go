package mirror

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestStep holds that a plan made by way of an older one is the one that is made
// from the start, whatever happened in between.
func TestStep(t *testing.T) {
	steps, writes := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		r := rule()
		r.Naming = rapid.SampledFrom([]registry.Naming{namingSame, {Namespace: "x", Name: "{service}-{namespace}"}}).Draw(rt, "naming")
		r.Share = rapid.Bool().Draw(rt, "share")
		r.Inward = rapid.Bool().Draw(rt, "inward")
		r.Limit = Limit{Services: rapid.SampledFrom([]int{2, 1000}).Draw(rt, "limit")}
		if rapid.Bool().Draw(rt, "bridges") {
			r.Bridges = []string{"you"}
		}
		c := catalog.New(catalog.Policy{Packed: rapid.Bool().Draw(rt, "packed")})
		from, to := c.Feed(src), c.Feed(dst)
		from.Identify(id(src))
		to.Identify(id(dst))
		to.ReplaceNamespaces([]string{"n", "x"})
		from.Replace(rapid.SliceOf(service(false)).Draw(rt, "source"))
		to.Replace(rapid.SliceOfN(service(true), 0, 3).Draw(rt, "target"))
		l := NewLoop(r, nil, c, NewTarget(r.Owner, newStore(t, dst, "").open(r.Owner)), nil, slog.New(slog.DiscardHandler))
		for range 25 {
			was := l.base
			_, p := l.next(t.Context(), false)
			if was != nil && l.base == was { // which went on
				steps++
				writes += len(p.Puts)
			}
			if diff := cmp.Diff(everything(Plans(c.Snapshot(), []*Rule{r}, func(catalog.Origin) Place { return l.target }, nil)[0]), everything(p)); diff != "" {
				rt.Fatalf("a plan from the start, and by way of the last one:\n%s", diff)
			}
			if kept, there := len(l.memos[r].is), c.Snapshot().State(src).Services; kept > there+1 {
				rt.Fatalf("the mirrors of %d originals are kept, of %d that are there", kept, there)
			}
			happen(rt, from, to, c, p)
			if rapid.Bool().Draw(rt, "amid a burst") {
				l.step(c.Snapshot()) // and whatever it says, the next plan is right
				happen(rt, from, to, c, p)
			}
		}
	})
	if steps == 0 || writes == 0 {
		t.Errorf("%d plans were made by way of another, with %d puts: the test shows nothing", steps, writes)
	}
	t.Logf("%d plans by way of another, with %d puts", steps, writes)
}

// happen changes something, as users, others and the loop itself do.
func happen(rt *rapid.T, from, to *catalog.Feed, c *catalog.Catalog, p *Plan) {
	switch rapid.IntRange(0, 11).Draw(rt, "what") {
	case 0:
		from.Update([]*catalog.Service{service(false).Draw(rt, "original")}, nil)
	case 1:
		from.Update(nil, []catalog.Ref{{Key: key().Draw(rt, "gone")}})
	case 2:
		svc := service(true).Draw(rt, "at the target")
		if svc.Mark == nil && rapid.Bool().Draw(rt, "asks") {
			svc.Meta = map[string]string{noteJoin: string(src) + "/n/a"}
		}
		to.Update([]*catalog.Service{svc}, nil)
	case 3:
		to.Update(nil, []catalog.Ref{{Key: key().Draw(rt, "gone there"), Owner: rapid.SampledFrom([]string{"", "me", "you"}).Draw(rt, "owner")}})
	case 4:
		rapid.SampledFrom([]*catalog.Feed{from, to}).Draw(rt, "feed").Connected(errors.New("cut"))
	case 5:
		to.ReplaceNamespaces(rapid.SampledFrom([][]string{{"n", "x"}, {"x"}}).Draw(rt, "namespaces"))
	case 6, 7:
		from.Connected(nil)
		to.Connected(nil)
		var gone []catalog.Ref
		for _, d := range p.Deletes {
			gone = append(gone, d.Ref())
		}
		to.Update(records(p.Puts), gone)
	default: // what happens most
		var all []*catalog.Service
		for svc := range c.Snapshot().From(src) {
			all = append(all, svc)
		}
		if len(all) > 0 {
			svc := *rapid.SampledFrom(all).Draw(rt, "of")
			if svc.Alias == "" {
				svc.Endpoints = endpoints(rapid.IntRange(0, 5).Draw(rt, "endpoints"))
			}
			svc.TTL += time.Second
			from.Update([]*catalog.Service{&svc}, nil)
		}
	}
}

// records returns what stands once changes are written.
func records(all []Change) []*catalog.Service {
	var written []*catalog.Service
	for _, c := range all {
		written = append(written, c.record())
	}
	return written
}

// everything is all that a plan says, in words.
func everything(p *Plan) []string {
	all := []string{fmt.Sprintf("blocked %q, %d the same, budget %q, fell %v", p.Blocked, p.Same, p.Budget, p.Fell)}
	for i, list := range [][]Change{p.Puts, p.Deletes, p.Held} {
		for _, c := range list {
			all = append(all, fmt.Sprintf("%d %v over=%v make=%v meant=%v\nwant %s\nfound %s", i, c.Why, c.over, c.make, c.meant, said(c.Want), said(c.Found)))
		}
	}
	for i, list := range [][]Finding{p.Taken, p.Refused, p.Reduced} {
		for _, f := range list {
			all = append(all, fmt.Sprintf("%d %v", i, f))
		}
	}
	return all
}

func said(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	return s.Text()
}
