package etcd

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// stateRoot is the first part of every key that is no service's record.
const stateRoot = "isthmus"

// fenceRoot is where all fences stand.
const fenceRoot = "/" + stateRoot + "/fence/"

// fenceKey is where the owner's fence for a zone stands.
func fenceKey(l layout, owner string) string {
	return fenceRoot + owner + strings.TrimSuffix(l.base, "/")
}

// fence is an owner's fence as it was claimed.
type fence struct {
	key     string
	value   string
	mod     int64
	created int64 // the revision at which the key came to be
}

func fenceOf(kv *mvccpb.KeyValue) *fence {
	return &fence{key: string(kv.Key), value: string(kv.Value), mod: kv.ModRevision, created: kv.CreateRevision}
}

// fenceValue is the fence's JSON. Of an etcd that was restored from a backup the same
// revision and the same epoch may come again, for another writer: what each draws
// when it claims does not.
type fenceValue struct {
	Sources []catalog.Identity `json:"sources"`
	Epoch   int64              `json:"epoch"`
	Drawn   string             `json:"drawn,omitempty"`
}

// compares hold a transaction to the fence.
func (f *fence) compares() []clientv3.Cmp {
	return []clientv3.Cmp{
		clientv3.Compare(clientv3.ModRevision(f.key), "=", f.mod),
		clientv3.Compare(clientv3.Value(f.key), "=", f.value),
	}
}

// now returns the fence as it stands, found as kvs, if who claimed f may still
// write by it: it is the same, or sources were added to it since.
func (f *fence) now(kvs []*mvccpb.KeyValue) (*fence, error) {
	if len(kvs) == 0 {
		return nil, registry.ErrNoFence
	}
	is := fenceOf(kvs[0])
	if *is == *f {
		return f, nil
	}
	var was, v fenceValue
	if json.Unmarshal([]byte(f.value), &was) != nil || json.Unmarshal([]byte(is.value), &v) != nil {
		return nil, registry.ErrFenced
	}
	gone := slices.DeleteFunc(was.Sources, func(id catalog.Identity) bool { return slices.Contains(v.Sources, id) })
	if is.created != f.created || v.Epoch != was.Epoch || v.Drawn != was.Drawn || len(gone) > 0 {
		return nil, registry.ErrFenced
	}
	return is, nil
}

// Claim makes this the writer that may write for its owner.
func (e *etcd) Claim(ctx context.Context, f registry.Fence, bump bool) error {
	if f.Owner != e.owner || e.owner == "" {
		return fmt.Errorf("etcd %q: claim the fence of %q as %q: %w", e.config.name, f.Owner, e.owner, registry.ErrNotOwned)
	}
	client, err := e.client()
	if err != nil {
		return err
	}
	e.claiming.Lock()
	defer e.claiming.Unlock()
	last := e.claimedFence()
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	if err := e.same(ctx, client); err != nil {
		return fmt.Errorf("etcd %q: claim the fence of %q: %w", e.config.name, f.Owner, err)
	}
	for {
		claimed, err := claim(ctx, client, fenceKey(e.layout, e.owner), last, f.Sources, bump)
		if e.unknown(err) {
			e.dropClient(client)
		}
		if err != nil {
			return fmt.Errorf("etcd %q: claim the fence of %q: %w", e.config.name, f.Owner, err)
		}
		if claimed != nil {
			e.setFence(claimed)
			return nil
		}
	}
}

// claim tries once; nil, nil means that another writer was quicker. Who claims
// had the fence as last; nil: never.
func claim(ctx context.Context, client *clientv3.Client, key string, last *fence, sources []catalog.Identity, bump bool) (*fence, error) {
	resp, err := client.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	there := &fence{key: key}
	if len(resp.Kvs) == 1 {
		there = fenceOf(resp.Kvs[0])
		if last != nil && !bump {
			if _, err := last.now(resp.Kvs); err != nil {
				return nil, err
			}
		}
	}
	want, err := next(there.value, sources, bump)
	if err != nil || want == there.value {
		return there, err
	}
	txn, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", there.mod)).
		Then(clientv3.OpPut(key, want)).Commit()
	if err != nil || !txn.Succeeded {
		return nil, err
	}
	revision := txn.Header.Revision
	return &fence{key, want, revision, cmp.Or(there.created, revision)}, nil
}

// next returns what a fence's value is to become.
func next(there string, sources []catalog.Identity, bump bool) (string, error) {
	var v fenceValue
	if there != "" {
		if err := json.Unmarshal([]byte(there), &v); err != nil {
			return "", fmt.Errorf("what stands there is no fence: %w: %w", err, registry.ErrForeignFence)
		}
	}
	known := func(id catalog.Identity) bool { return slices.Contains(v.Sources, id) }
	if len(v.Sources) > 0 && len(sources) > 0 && !slices.ContainsFunc(sources, known) {
		return "", fmt.Errorf("it is for %s: %w", join(v.Sources), registry.ErrForeignFence)
	}
	lacking := slices.DeleteFunc(slices.Clone(sources), known)
	if there != "" && len(lacking) == 0 && !bump {
		return there, nil
	}
	if there == "" || bump {
		v.Epoch++
		v.Drawn = rand.Text()
	}
	v.Sources = append(v.Sources, lacking...)
	slices.SortFunc(v.Sources, func(a, b catalog.Identity) int { return cmp.Compare(a, b) })
	text, err := json.Marshal(v)
	return string(text), err
}

func join(ids []catalog.Identity) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", id)
	}
	return b.String()
}

func (e *etcd) setFence(f *fence) {
	e.writes.mu.Lock()
	defer e.writes.mu.Unlock()
	e.writes.fence = f
}

// swapFence takes fence is for was, unless another was claimed meanwhile; nil
// for is forgets it.
func (e *etcd) swapFence(was, is *fence) {
	e.writes.mu.Lock()
	defer e.writes.mu.Unlock()
	if e.writes.fence == was {
		e.writes.fence = is
	}
}

// settledFence returns the claimed fence, or nil, once no Claim is under way.
func (e *etcd) settledFence() *fence {
	e.claiming.Lock()
	defer e.claiming.Unlock()
	return e.claimedFence()
}

// claimedFence returns the claimed fence, or nil.
func (e *etcd) claimedFence() *fence {
	e.writes.mu.Lock()
	defer e.writes.mu.Unlock()
	return e.writes.fence
}
