package kubernetes

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"

	"github.com/isthmus-dns/isthmus/registry"
)

// pace is how often what is known is compared with what the server holds.
type pace struct {
	every time.Duration // on average
	grace time.Duration // for a watch to tell what a list showed
}

// pace is slower for the many DNS servers, which only read and ask for no
// details, unless the stanza says it.
func (c *config) pace(owner string) pace {
	every := 5 * time.Minute
	if owner == "" && c.details == (registry.Details{}) {
		every = 30 * time.Minute
	}
	return pace{every: cmp.Or(c.compare, every), grace: 2 * time.Second}
}

// pageSize is how many objects are asked for at a time.
const pageSize = 500

// compared is a store that can tell what a watch has not told it.
type compared interface {
	// differing counts the objects of which less is known than a list of all
	// of them at version shows.
	differing(listed map[types.NamespacedName]uint64, version uint64) int
	// relist takes the objects that list visits, and no others, for what the
	// server holds at the version that list returns, beside a watch that goes
	// on.
	relist(list func(each func(metav1.Object)) (version uint64, err error)) error
}

// compare compares what the watches told with what the server holds, again and
// again until ctx ends. That the server is there is for others to see.
func (s *server) compare(ctx context.Context, v *view, sources []source) {
	denied := map[string]bool{} // and said so
	for registry.Pause(ctx, s.pace.every*3/4+rand.N(s.pace.every/2)) == nil {
		for _, src := range sources {
			if src.heads == nil || !src.past.begun() {
				continue
			}
			missed, err := s.compareOnce(ctx, src)
			if err == nil && missed > 0 {
				v.feed.Missed(missed)
				s.log.Warn("the watch had missed changes, listed again", "watch", src.name, "records", missed)
			}
			if now := apierrors.IsForbidden(err); now != denied[src.name] {
				denied[src.name] = now
				s.sayDenied(src.name, err)
			}
		}
	}
}

// sayDenied says that what a watch misses is not found any more, or is again.
func (s *server) sayDenied(watch string, err error) {
	if err == nil {
		s.log.Info("what the watch tells is compared again", "watch", watch)
		return
	}
	s.log.Error("what the watch tells cannot be compared", "watch", watch, "error", cause(err))
}

// compareOnce lists the names and versions of all objects of src and, if the
// watch does not tell of what differs in time, lists the objects themselves. It
// returns how many were missed.
func (s *server) compareOnce(ctx context.Context, src source) (missed int, err error) {
	known := src.into.(compared)
	listed := map[types.NamespacedName]uint64{}
	at, err := pages(ctx, src.heads, func(o metav1.Object) { listed[nameOf(o)] = versionOf(o) })
	version := versionNumber(at)
	if err != nil || known.differing(listed, version) == 0 || registry.Pause(ctx, s.pace.grace) != nil {
		return 0, err
	}
	if missed = known.differing(listed, version); missed == 0 {
		return 0, nil
	}
	return missed, known.relist(func(each func(metav1.Object)) (uint64, error) {
		at, err := pages(ctx, src.list, each)
		return versionNumber(at), err
	})
}

// pages lists all that list has, as it is now, one page at a time. Whoever keeps
// an object keeps nothing of the others of its page.
func pages(ctx context.Context, list cache.ListWithContextFunc, each func(metav1.Object)) (version string, err error) {
	for o := (metav1.ListOptions{Limit: pageSize}); ; {
		page, err := onePage(ctx, list, o)
		if err != nil {
			return "", err
		}
		about, err := meta.ListAccessor(page)
		if err != nil {
			return "", err
		}
		err = meta.EachListItemWithAlloc(page, func(item runtime.Object) error {
			o, err := meta.Accessor(item)
			if err == nil {
				each(o)
			}
			return err
		})
		if err != nil {
			return "", err
		}
		if o.Continue = about.GetContinue(); o.Continue == "" {
			return about.GetResourceVersion(), nil
		}
	}
}

func onePage(ctx context.Context, list cache.ListWithContextFunc, o metav1.ListOptions) (runtime.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return list(ctx, o)
}
