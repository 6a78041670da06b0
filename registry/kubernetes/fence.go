package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// fence is what this process claimed.
type fence struct {
	mu    sync.Mutex // guards epoch
	epoch int64      // 0: nothing claimed
}

func (f *fence) claimed() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

// The data of the ConfigMap that holds a fence.
const (
	fenceOwner   = "owner"
	fenceEpoch   = "epoch"
	fenceSources = "sources" // one identity a line
)

// maxClaims is how often Claim tries to win against other writers.
const maxClaims = 5

// Claim makes this process the one that may write for its owner, by a
// ConfigMap in the fence's namespace.
func (s *server) Claim(ctx context.Context, f registry.Fence, bump bool) error {
	if s.owner == "" || f.Owner != s.owner {
		return fmt.Errorf("claim the fence of %q with a writer of %q: %w", f.Owner, s.owner, registry.ErrNotOwned)
	}
	name, err := fenceName(f.Owner)
	if err != nil {
		return err
	}
	for range maxClaims {
		epoch, err := s.claim(ctx, name, f, bump)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("claim fence %q in %q: %w", name, s.conf.fenceNamespace, outcome(err))
		}
		s.fence.mu.Lock()
		s.fence.epoch = epoch
		s.fence.mu.Unlock()
		return nil
	}
	return fmt.Errorf("claim fence %q in %q: %w", name, s.conf.fenceNamespace, registry.ErrConflict)
}

func fenceName(owner string) (string, error) {
	name := "isthmus-fence-" + owner
	if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
		return "", fmt.Errorf("owner %q: %s: %w", owner, errs[0], registry.ErrInvalid)
	}
	return name, nil
}

// claim tries once and returns the epoch that holds then. A fence that is gone,
// or older than the one that was claimed, is put above that, so that who was
// deposed before stays so.
func (s *server) claim(ctx context.Context, name string, f registry.Fence, bump bool) (int64, error) {
	claimed := s.fence.claimed()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client := s.client.CoreV1().ConfigMaps(s.conf.fenceNamespace)
	found, err := client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		epoch := claimed + 1
		_, err := client.Create(ctx, newFence(s.conf.fenceNamespace, name, epoch, f), metav1.CreateOptions{})
		return epoch, err
	}
	if err != nil {
		return 0, err
	}
	epoch, sources, err := readFence(found, f.Owner)
	if err != nil {
		return 0, err
	}
	if claimed != 0 && epoch > claimed && !bump {
		return 0, fmt.Errorf("it is at epoch %d, after %d: %w", epoch, claimed, registry.ErrFenced)
	}
	merged, err := mergeSources(sources, f.Sources)
	bump = bump || epoch < claimed
	if err != nil || !bump && len(merged) == len(sources) {
		return epoch, err
	}
	if bump {
		epoch = max(epoch, claimed) + 1
	}
	found.Data[fenceEpoch] = strconv.FormatInt(epoch, 10)
	found.Data[fenceSources] = joinSources(merged)
	_, err = client.Update(ctx, found, metav1.UpdateOptions{})
	return epoch, err
}

func newFence(namespace, name string, epoch int64, f registry.Fence) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{kubeobject.LabelManagedBy: kubeobject.Managed},
		},
		Data: map[string]string{fenceOwner: f.Owner, fenceEpoch: strconv.FormatInt(epoch, 10), fenceSources: joinSources(f.Sources)},
	}
}

func readFence(from *corev1.ConfigMap, owner string) (epoch int64, sources []catalog.Identity, err error) {
	epoch, err = strconv.ParseInt(from.Data[fenceEpoch], 10, 64)
	if err != nil || epoch < 1 || from.Data[fenceOwner] != owner {
		return 0, nil, fmt.Errorf("configmap %q is no fence of %q: %w", from.Name, owner, registry.ErrForeignFence)
	}
	for line := range strings.Lines(from.Data[fenceSources]) {
		if line = strings.TrimSpace(line); line != "" {
			sources = append(sources, catalog.Identity(line))
		}
	}
	return epoch, sources, nil
}

// mergeSources returns the union. A fence with sources, none of which is ours,
// belongs to another bridge with our name.
func mergeSources(there, ours []catalog.Identity) ([]catalog.Identity, error) {
	all := map[catalog.Identity]bool{}
	for _, id := range there {
		all[id] = true
	}
	known := slices.ContainsFunc(ours, func(id catalog.Identity) bool { return all[id] })
	if len(there) > 0 && len(ours) > 0 && !known {
		return nil, fmt.Errorf("it is there for %q: %w", there, registry.ErrForeignFence)
	}
	for _, id := range ours {
		all[id] = true
	}
	return slices.Sorted(maps.Keys(all)), nil
}

func joinSources(all []catalog.Identity) string {
	var b strings.Builder
	for _, id := range all {
		b.WriteString(string(id) + "\n")
	}
	return b.String()
}

// checkFence returns ErrFenced unless the fence still stands as it was claimed,
// and ErrNoFence if nobody took over: somebody deleted it, or brought an older
// one back.
func (s *server) checkFence(ctx context.Context) error {
	claimed := s.fence.claimed()
	if claimed == 0 {
		return fmt.Errorf("the fence of %q was never claimed: %w", s.owner, registry.ErrFenced)
	}
	name, err := fenceName(s.owner)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	found, err := s.client.CoreV1().ConfigMaps(s.conf.fenceNamespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("read the fence of %q: %w", s.owner, registry.ErrNoFence)
	}
	if err != nil {
		return fmt.Errorf("read the fence of %q: %w", s.owner, cause(err))
	}
	epoch, _, err := readFence(found, s.owner)
	if err == nil && epoch < claimed {
		return fmt.Errorf("the fence of %q went back from epoch %d to %d: %w", s.owner, claimed, epoch, registry.ErrNoFence)
	}
	if err != nil || epoch != claimed {
		return fmt.Errorf("the fence of %q moved: %w", s.owner, registry.ErrFenced)
	}
	return nil
}
