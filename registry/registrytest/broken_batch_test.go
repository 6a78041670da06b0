package registrytest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

type claimFunc = func(c *brokenClient, ctx context.Context, f registry.Fence, bump bool) error

func fenceBreakages() []breakage {
	claiming := func(edit func(c *brokenClient, f *registry.Fence, bump *bool)) claimFunc {
		return func(c *brokenClient, ctx context.Context, f registry.Fence, bump bool) error {
			edit(c, &f, &bump)
			return c.Writer.Claim(ctx, f, bump)
		}
	}
	reclaim := func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
		if err := c.Writer.Claim(ctx, registry.Fence{Owner: c.owner, Sources: []catalog.Identity{source}}, true); err != nil {
			return failed(all, err)
		}
		return c.Writer.Put(ctx, all)
	}
	return []breakage{
		{name: "put claims by itself", put: reclaim, reds: []string{"nothing is written before the first claim", "who was deposed cannot write"}},
		{name: "a claim without bump is none", reds: []string{"a claim is enough to write"},
			claim: func(c *brokenClient, ctx context.Context, f registry.Fence, bump bool) error {
				if !bump {
					return nil
				}
				return c.Writer.Claim(ctx, f, bump)
			}},
		{name: "whoever answers is claimed", reds: []string{"another registry than the one that was read is not claimed"},
			claim: func(c *brokenClient, ctx context.Context, f registry.Fence, bump bool) error {
				if err := c.Writer.Claim(ctx, f, bump); err != nil && c.claims > 1 {
					return err
				}
				return nil
			}},
		{name: "only the first claim counts", reds: []string{"who was deposed can claim again", "a claim adds sources and takes none away"},
			claim: func(c *brokenClient, ctx context.Context, f registry.Fence, bump bool) error {
				if c.claims > 1 {
					return nil
				}
				return c.Writer.Claim(ctx, f, bump)
			}},
		{name: "a foreign fence is taken for ours", reds: []string{"a fence of other sources is foreign"},
			claim: claiming(func(_ *brokenClient, f *registry.Fence, _ *bool) { f.Sources = append(f.Sources, source) })},
		{name: "a claim always writes", reds: []string{
			"a claim that changes nothing writes nothing", "a restart writes nothing",
			"who was deposed takes nothing over by naming sources"},
			claim: claiming(func(_ *brokenClient, _ *registry.Fence, bump *bool) { *bump = true })},
		{name: "a first claim always takes over", reds: []string{"sources that another adds depose nobody", "a restart writes nothing"},
			claim: claiming(func(c *brokenClient, _ *registry.Fence, bump *bool) { *bump = *bump || c.claims == 1 })},
		{name: "all owners have one fence", reds: []string{"owners claim apart from each other"},
			claim: claiming(func(_ *brokenClient, f *registry.Fence, _ *bool) { f.Owner = owner })},
		{name: "a fence is a service", reds: []string{"a fence is no service"},
			claim: func(c *brokenClient, ctx context.Context, f registry.Fence, bump bool) error {
				c.place.server.Set(native(catalog.Key{Namespace: "isthmus", Name: f.Owner}, 0))
				return c.Writer.Claim(ctx, f, bump)
			}},
	}
}

func batchBreakages() []breakage {
	all := func(results []registry.Result) {
		for _, r := range results {
			if r.Err != nil {
				for i := range results {
					results[i].Err = r.Err
				}
				return
			}
		}
	}
	extra := func(write writeFunc) writeFunc {
		return func(c *brokenClient, ctx context.Context, s []*catalog.Service) []registry.Result {
			return append(write(c, ctx, s), registry.Result{})
		}
	}
	return []breakage{
		{name: "results come in reverse", put: judging(put, slices.Reverse), reds: []string{"300 services are written and removed, results in order"}},
		{name: "a batch of puts fails together", put: judging(put, all), reds: []string{"a bad service in a batch is refused alone", "a conflict in a batch stands alone"}},
		{name: "a batch of deletes fails together", delete: judging(remove, all), reds: []string{"a conflict in a batch of deletes stands alone"}},
		{name: "one result too many", put: extra(put), delete: extra(remove), reds: []string{"an empty batch is nothing"}},
		{name: "put looks at no ctx", reds: []string{"a batch whose ctx ended writes nothing and has all results", "a put in a stall ends with ctx"},
			put: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				return c.Writer.Put(context.WithoutCancel(ctx), all)
			}},
	}
}

func outcomeBreakages() []breakage {
	// saying returns an edit that replaces one error by another.
	saying := func(is func(error) bool, as error) func([]registry.Result) {
		return func(results []registry.Result) {
			for i := range results {
				if is(results[i].Err) {
					results[i].Err = as
				}
			}
		}
	}
	unknown := func(err error) bool { return errors.Is(err, registry.ErrUnknownOutcome) }
	cut := func(err error) bool { return err != nil && strings.Contains(err.Error(), "cut") }
	const lostPut = "a put whose answer is lost is of unknown outcome, and can be repeated"
	const lostDelete = "a delete whose answer is lost is of unknown outcome, and can be repeated"
	return []breakage{
		{name: "a put whose answer is lost counts as done", put: judging(put, saying(unknown, nil)), reds: []string{lostPut}},
		{name: "a put whose answer is lost is just an error", put: judging(put, saying(unknown, errBroken)), reds: []string{lostPut}},
		{name: "a delete whose answer is lost counts as done", delete: judging(remove, saying(unknown, nil)), reds: []string{lostDelete}},
		{name: "a delete whose answer is lost is a conflict", delete: judging(remove, saying(unknown, registry.ErrConflict)), reds: []string{lostDelete}},
		{name: "a put while cut off counts as done", put: judging(put, saying(cut, nil)), reds: []string{"a put while cut off fails, and works again afterwards"}},
		{name: "a put while cut off is refused for good", put: judging(put, saying(cut, registry.ErrInvalid)), reds: []string{"a put while cut off fails, and works again afterwards"}},
	}
}
