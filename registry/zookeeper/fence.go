package zookeeper

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// fencePath is where the owner's fence stands.
func (l layout) fencePath() string { return l.sides() + "/" + l.owner + "/fence" }

// fence is an owner's fence as it was claimed. What a write depends on is the node of
// its holder: who takes over makes another and removes that one, and no name of one
// comes again, as versions of nodes do.
type fence struct {
	path    string
	version int32
	fenceValue
}

// fenceValue is the fence's JSON.
type fenceValue struct {
	Sources []catalog.Identity `json:"sources"`
	Epoch   int64              `json:"epoch"`
	Holder  string             `json:"holder"`
}

// node is that of the holder.
func (f *fence) node() string { return f.path + "/" + f.Holder }

// Claim makes this the writer that may write for its owner.
func (z *zookeeper) Claim(ctx context.Context, f registry.Fence, bump bool) error {
	if f.Owner != z.layout.owner || f.Owner == "" {
		return fmt.Errorf("zookeeper %q: claim the fence of %q as %q: %w", z.config.name, f.Owner, z.layout.owner, registry.ErrNotOwned)
	}
	z.claiming.Lock()
	defer z.claiming.Unlock()
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	s, err := z.client(ctx)
	if err != nil {
		return err
	}
	if err := z.same(ctx, s); err != nil {
		return fmt.Errorf("zookeeper %q: claim the fence of %q: %w", z.config.name, f.Owner, err)
	}
	last := z.claimedFence()
	for {
		claimed, err := z.claim(ctx, s, last, f.Sources, bump)
		if err != nil {
			return fmt.Errorf("zookeeper %q: claim the fence of %q: %w", z.config.name, f.Owner, err)
		}
		if claimed != nil {
			z.setFence(claimed)
			return nil
		}
	}
}

// claim tries once; nil, nil means that another writer was quicker. Who claims had the
// fence as last; nil: never.
func (z *zookeeper) claim(ctx context.Context, s *session, last *fence, sources []catalog.Identity, bump bool) (*fence, error) {
	is, held, err := readFence(ctx, s, z.layout.fencePath())
	if err != nil {
		return nil, err
	}
	if is == nil {
		return z.makeFence(ctx, s, sources)
	}
	if last != nil && !bump && is.Holder != last.Holder && is.Holder != z.drawn {
		return nil, registry.ErrFenced
	}
	want, err := is.next(sources, bump || !held)
	if err != nil {
		return nil, err
	}
	if want == nil {
		return is, nil
	}
	return z.take(ctx, s, is, want, held)
}

// take makes the fence that is one that is wanted, by another holder or the same.
func (z *zookeeper) take(ctx context.Context, s *session, is, want *fence, held bool) (*fence, error) {
	ops := []op{{do: set, path: is.path, data: want.text(), version: is.version}}
	if want.Holder != is.Holder {
		ops = append(ops, op{do: create, path: want.node()})
		if held {
			ops = append(ops, op{do: remove, path: is.node(), version: -1})
		}
	}
	return z.move(ctx, s, want, ops)
}

// move makes the fence f by ops; nil, nil: it is not as it was read any more.
func (z *zookeeper) move(ctx context.Context, s *session, f *fence, ops []op) (*fence, error) {
	z.drawn = f.Holder
	_, err := s.multi(ctx, ops, z.config.acl())
	var refused *refusal
	switch {
	case !errors.As(err, &refused):
		return f, err
	case isChange(refused.err):
		return nil, nil
	}
	return nil, ops[refused.at].failed(refused.err)
}

// isChange reports whether an error says that a node is not as it was read.
func isChange(err error) bool {
	return errors.Is(err, zk.ErrBadVersion) || errors.Is(err, zk.ErrNodeExists) || errors.Is(err, zk.ErrNoNode)
}

// makeFence makes the owner's fence, and what is above it and its side nodes.
func (z *zookeeper) makeFence(ctx context.Context, s *session, sources []catalog.Identity) (*fence, error) {
	if err := z.makeState(ctx, s); err != nil {
		return nil, err
	}
	f, err := (&fence{path: z.layout.fencePath()}).next(sources, true)
	if err != nil {
		return nil, err
	}
	return z.move(ctx, s, f, []op{{do: create, path: f.path, data: f.text()}, {do: create, path: f.node()}})
}

// readFence returns the fence that stands, nil if there is none, and whether the node
// of its holder does.
func readFence(ctx context.Context, s *session, path string) (f *fence, held bool, err error) {
	data, stat, err := s.get(ctx, path, false)
	if errors.Is(err, zk.ErrNoNode) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read %q: %w", path, err)
	}
	f = &fence{path: path, version: stat.Version}
	if err := json.Unmarshal(data, &f.fenceValue); err != nil {
		return nil, false, fmt.Errorf("what stands there is no fence: %w: %w", err, registry.ErrForeignFence)
	}
	if f.Holder == "" || checkElement(f.Holder) != nil {
		return f, false, nil
	}
	holder, err := s.exists(ctx, f.node(), false)
	if err != nil {
		return nil, false, fmt.Errorf("read %q: %w", f.node(), err)
	}
	return f, holder != nil, nil
}

// next returns what the fence is to become, nil if it is that already.
func (f *fence) next(sources []catalog.Identity, take bool) (*fence, error) {
	known := func(id catalog.Identity) bool { return slices.Contains(f.Sources, id) }
	if len(f.Sources) > 0 && len(sources) > 0 && !slices.ContainsFunc(sources, known) {
		return nil, fmt.Errorf("it is for %s: %w", join(f.Sources), registry.ErrForeignFence)
	}
	lacking := slices.DeleteFunc(slices.Clone(sources), known)
	if len(lacking) == 0 && !take {
		return nil, nil
	}
	want := *f
	if take {
		var drawn [16]byte
		_, _ = rand.Read(drawn[:]) // it never fails
		want.Epoch++
		want.Holder = "holder-" + hex.EncodeToString(drawn[:])
	}
	want.Sources = append(slices.Clone(f.Sources), lacking...)
	slices.SortFunc(want.Sources, func(a, b catalog.Identity) int { return cmp.Compare(a, b) })
	return &want, nil
}

func (f *fence) text() []byte {
	text, _ := json.Marshal(&f.fenceValue) // no field is of a kind that could fail
	return text
}

func join(ids []catalog.Identity) string {
	var words []string
	for _, id := range ids {
		words = append(words, fmt.Sprintf("%q", id))
	}
	return strings.Join(words, ", ")
}

func (z *zookeeper) setFence(f *fence) {
	z.writes.mu.Lock()
	defer z.writes.mu.Unlock()
	if was := z.writes.fence; was == nil || was.Holder != f.Holder {
		z.writes.unsure = false
	}
	z.writes.fence = f
}

// claimedFence returns the claimed fence, or nil.
func (z *zookeeper) claimedFence() *fence {
	z.writes.mu.Lock()
	defer z.writes.mu.Unlock()
	return z.writes.fence
}

// settledFence returns the claimed fence, once no Claim is under way.
func (z *zookeeper) settledFence() *fence {
	z.claiming.Lock()
	defer z.claiming.Unlock()
	return z.claimedFence()
}
