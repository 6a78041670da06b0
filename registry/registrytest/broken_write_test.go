package registrytest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// writeBreakages are wrong in what Canon, Claim, Put and Delete do.
func writeBreakages() []breakage {
	return slices.Concat(canonBreakages(), putBreakages(), deleteBreakages(), conflictBreakages(),
		ownerBreakages(), fenceBreakages(), batchBreakages(), outcomeBreakages())
}

type (
	writeFunc = func(*brokenClient, context.Context, []*catalog.Service) []registry.Result
	editFunc  = func(c *brokenClient, s *catalog.Service)
)

// putting returns a put that writes an edited copy of each service.
func putting(edit editFunc) writeFunc {
	return func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
		return c.Writer.Put(ctx, edited(c, all, edit))
	}
}

// deleting is putting for a delete.
func deleting(edit editFunc) writeFunc {
	return func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
		return c.Writer.Delete(ctx, edited(c, all, edit))
	}
}

func edited(c *brokenClient, all []*catalog.Service, edit editFunc) []*catalog.Service {
	out := make([]*catalog.Service, len(all))
	for i, s := range all {
		out[i] = changed(s, func(s *catalog.Service) { edit(c, s) })
	}
	return out
}

// judging returns a write whose results an edit may change.
func judging(write writeFunc, edit func(all []registry.Result)) writeFunc {
	return func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
		results := write(c, ctx, all)
		edit(results)
		return results
	}
}

func put(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
	return c.Writer.Put(ctx, all)
}

func remove(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
	return c.Writer.Delete(ctx, all)
}

func canonBreakages() []breakage {
	whole := func(c *brokenClient, s *catalog.Service, edit func(*catalog.Service)) (*catalog.Service, error) {
		k, err := c.Writer.Canon(s)
		if err == nil {
			edit(k)
		}
		return k, err
	}
	return []breakage{
		{name: "Canon adds each time", reds: []string{"Canon of Canon is Canon", "put reads back as Canon: *"},
			canon: func(c *brokenClient, s *catalog.Service) (*catalog.Service, error) {
				return whole(c, s, func(k *catalog.Service) { k.Meta = map[string]string{"n": s.Meta["n"] + "x"} })
			}},
		{name: "Canon edits its argument", reds: []string{"Canon keeps its argument and answers the same again"},
			canon: func(c *brokenClient, s *catalog.Service) (*catalog.Service, error) {
				s.TTL = s.TTL.Truncate(time.Second)
				return c.Writer.Canon(s)
			}},
		{name: "Canon answers otherwise each time", reds: []string{"Canon keeps its argument and answers the same again"},
			canon: func(c *brokenClient, s *catalog.Service) (*catalog.Service, error) {
				c.memo["canon"]++
				return whole(c, s, func(k *catalog.Service) { k.Alias = fmt.Sprint(c.memo["canon"]) })
			}},
		{name: "Canon drops the mark", reds: []string{"Canon keeps key and mark"},
			canon: func(c *brokenClient, s *catalog.Service) (*catalog.Service, error) {
				return whole(c, s, func(k *catalog.Service) { k.Mark = nil })
			}},
		{name: "Canon takes everything", reds: []string{"Canon refuses what cannot be held"},
			canon: func(_ *brokenClient, s *catalog.Service) (*catalog.Service, error) { return s, nil }},
		{name: "Canon refuses without saying how", reds: []string{"Canon refuses what cannot be held"},
			canon: func(c *brokenClient, s *catalog.Service) (*catalog.Service, error) {
				if k, err := c.Writer.Canon(s); err == nil {
					return k, nil
				}
				return nil, errBroken
			}},
	}
}

func putBreakages() []breakage {
	return []breakage{
		{name: "the server fills something in", reds: []string{"put reads back as Canon: headless"},
			put: putting(func(_ *brokenClient, s *catalog.Service) { s.Meta = map[string]string{"written": "now"} })},
		{name: "all that is more than plain is left out", reds: allShapesButPlain(),
			put: putting(func(_ *brokenClient, s *catalog.Service) {
				version := s.Version
				*s = *mirror(owner, s.Key, 2)
				s.Version = version
			})},
		{name: "writes return before the feed shows them", reds: []string{"a put shows in the feed before Put returns", "a delete shows in the feed before Delete returns"}, lazy: true},
		{name: "puts are told to the own feed only", reds: []string{"a put is seen by other readers", "the claim of one registry writes nothing to another"}, put: pretend},
		{name: "put takes all endpoints for ready", reds: []string{"put takes up readiness that changed"},
			put: putting(func(_ *brokenClient, s *catalog.Service) {
				for i := range s.Endpoints {
					s.Endpoints[i].Ready, s.Endpoints[i].Serving = true, true
				}
			})},
		{name: "put never takes endpoints away", reds: []string{"put adds and removes endpoints"},
			put: putting(func(c *brokenClient, s *catalog.Service) {
				if is := c.held(s); is != nil && len(is.Endpoints) > len(s.Endpoints) {
					s.Endpoints = is.Endpoints
				}
			})},
		{name: "put keeps the old type", reds: []string{"put takes up another type"},
			put: putting(func(c *brokenClient, s *catalog.Service) {
				if is := c.held(s); is != nil {
					s.Type = is.Type
				}
			})},
		{name: "put keeps the old ports", reds: []string{"put takes up a port that changed"},
			put: putting(func(c *brokenClient, s *catalog.Service) {
				if is := c.held(s); is != nil {
					s.Ports = is.Ports
				}
			})},
		{name: "put keeps the old mark", reds: []string{"put takes up what the mirror is a copy of"},
			put: putting(func(c *brokenClient, s *catalog.Service) {
				if is := c.held(s); is != nil {
					s.Mark = is.Mark
				}
			})},
		{name: "put needs a Watch", reds: []string{"put works while nobody watches"},
			put: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				c.mu.Lock()
				watched := c.outer != nil
				c.mu.Unlock()
				if !watched {
					<-time.After(time.Hour)
					return failed(all, errBroken)
				}
				return c.Writer.Put(ctx, all)
			}},
		{name: "an older report comes after a put", reds: []string{"reports never go back behind a put"}, put: stutter},
		{name: "put writes 1,000 endpoints", reds: []string{"1,500 endpoints are written, changed and removed"},
			put: putting(func(_ *brokenClient, s *catalog.Service) { s.Endpoints = s.Endpoints[:min(len(s.Endpoints), 1000)] })},
	}
}

func allShapesButPlain() []string {
	var names []string
	for _, sh := range shapes() {
		if sh.name != "headless" {
			names = append(names, "put reads back as Canon: "+sh.name)
		}
	}
	return names
}

// pretend tells the own feed of puts that never happen.
func pretend(c *brokenClient, _ context.Context, all []*catalog.Service) []registry.Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	results := make([]registry.Result, len(all))
	for i, s := range all {
		c.outer.Update([]*catalog.Service{at(s, "9")}, nil)
		results[i] = registry.Result{Ref: s.Ref(), Version: "9"}
	}
	return results
}

// stutter reports what stood before a put again, and then the put.
func stutter(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
	before := c.held(all[0])
	results := c.Writer.Put(ctx, all)
	c.flush()
	if before == nil {
		return results
	}
	after := c.held(all[0])
	c.mu.Lock()
	feed := c.outer
	c.mu.Unlock()
	<-time.After(time.Millisecond)
	feed.Update([]*catalog.Service{before}, nil)
	<-time.After(time.Millisecond)
	feed.Update([]*catalog.Service{after}, nil)
	return results
}

func failed(all []*catalog.Service, err error) []registry.Result {
	results := make([]registry.Result, len(all))
	for i, s := range all {
		results[i] = registry.Result{Ref: s.Ref(), Err: err}
	}
	return results
}

func deleteBreakages() []breakage {
	return []breakage{
		{name: "delete removes nothing", reds: []string{"a delete is seen by other readers and stays", "a delete shows in the feed before Delete returns", "300 services are written and removed, results in order", "a delete whose answer is lost is of unknown outcome, and can be repeated", "put works while nobody watches"},
			delete: func(_ *brokenClient, _ context.Context, all []*catalog.Service) []registry.Result {
				return failed(all, nil)
			}},
		{name: "delete leaves what cannot be put again", reds: []string{"what was deleted can be put again"},
			delete: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				c.memo["deleted"]++
				return c.Writer.Delete(ctx, all)
			},
			put: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				if c.memo["deleted"] > 0 {
					return failed(all, registry.ErrConflict)
				}
				return c.Writer.Put(ctx, all)
			}},
		{name: "delete takes names that begin alike", reds: []string{"a delete leaves other mirrors alone"},
			delete: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				for _, s := range all {
					c.place.server.Remove(catalog.Ref{Key: catalog.Key{Namespace: s.Namespace, Name: s.Name + "-2"}, Owner: owner})
				}
				return c.Writer.Delete(ctx, all)
			}},
		{name: "delete takes the native, too", reds: []string{"a mirror stands beside a native"},
			delete: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				for _, s := range all {
					c.place.server.Remove(catalog.Ref{Key: s.Key})
				}
				return c.Writer.Delete(ctx, all)
			}},
		{name: "delete calls what is gone invalid", reds: []string{"a delete of what is gone is done or a conflict"},
			delete: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				if c.held(all[0]) == nil {
					return failed(all, registry.ErrInvalid)
				}
				return c.Writer.Delete(ctx, all)
			}},
	}
}

// force makes a write go over whatever is there.
func force(c *brokenClient, s *catalog.Service) {
	s.Version = ""
	if is := c.held(s); is != nil {
		s.Version = is.Version
	}
}

func conflictBreakages() []breakage {
	return []breakage{
		{name: "put looks at no version", put: putting(force), reds: []string{
			"a put over a stale version is a conflict", "a create where ours stands is a conflict", "a put over what was tampered with is a conflict",
			"a put over what was erased is a conflict", "a conflict in a batch stands alone"}},
		{name: "delete looks at no version", delete: deleting(force), reds: []string{
			"a delete of a stale version is a conflict", "a put over what was tampered with is a conflict", "a conflict in a batch of deletes stands alone"}},
		{name: "put always conflicts", put: func(_ *brokenClient, _ context.Context, all []*catalog.Service) []registry.Result {
			return failed(all, registry.ErrConflict)
		}, reds: []string{"what was erased is seen and put right", "a claim is enough to write", "who was deposed can claim again"}},
	}
}

func ownerBreakages() []breakage {
	there := func(c *brokenClient, s *catalog.Service) bool {
		return c.place.server.Get(catalog.Ref{Key: s.Key}) != nil
	}
	return []breakage{
		{name: "put writes over natives", reds: []string{"a put never changes a native"},
			put: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				if there(c, all[0]) {
					c.place.server.Set(native(all[0].Key, 3))
				}
				return c.Writer.Put(ctx, all)
			}},
		{name: "put does not stand beside natives", reds: []string{"a mirror stands beside a native"},
			put: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				if there(c, all[0]) {
					return failed(all, registry.ErrNotOwned)
				}
				return c.Writer.Put(ctx, all)
			}},
		{name: "put beside a native does nothing and says it did", reds: []string{"a put where a native stands leaves a mirror or an error"},
			put: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				if there(c, all[0]) {
					return failed(all, nil)
				}
				return c.Writer.Put(ctx, all)
			}},
		{name: "put takes a rival's place", reds: []string{"mirrors of two owners stand side by side or the second is refused"},
			put: func(c *brokenClient, ctx context.Context, all []*catalog.Service) []registry.Result {
				c.place.server.Remove(catalog.Ref{Key: all[0].Key, Owner: rival})
				return c.Writer.Put(ctx, all)
			}},
		{name: "put writes whatever it is given", reds: []string{"a rival's mirror is neither put nor deleted", "a mirror of a newer format is not written", "nothing is written before the first claim", "who was deposed cannot write"},
			put: func(c *brokenClient, _ context.Context, all []*catalog.Service) []registry.Result {
				for _, s := range all {
					c.place.server.Set(s)
				}
				return failed(all, nil)
			}},
		{name: "delete removes whatever it is given", reds: []string{"a rival's mirror is neither put nor deleted", "a mirror of a newer format is not written", "nothing is written before the first claim", "who was deposed cannot write"},
			delete: func(c *brokenClient, _ context.Context, all []*catalog.Service) []registry.Result {
				for _, s := range all {
					c.place.server.Remove(s.Ref())
				}
				return failed(all, nil)
			}},
	}
}
