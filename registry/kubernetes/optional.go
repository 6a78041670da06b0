package kubernetes

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/isthmus-dns/isthmus/registry"
)

// optional is a lister of objects that the API server may not know of, or not
// show, which is no condition for anything else. Then it lists none, and looks
// again after a while.
type optional[L runtime.Object] struct {
	list    func(context.Context, metav1.ListOptions) (L, error)
	watch   func(context.Context, metav1.ListOptions) (watch.Interface, error)
	none    func() L
	refused func(error)   // told of each answer that they cannot be read
	again   time.Duration // until it looks again
	reads   atomic.Bool   // the newest answer held them
}

// errUnread is said of what cannot be read now. It is no fault of the connection,
// and who is told by refused says it.
var errUnread = errors.New("cannot be read now")

// List returns an empty list where they cannot be read.
func (c *optional[L]) List(ctx context.Context, o metav1.ListOptions) (L, error) {
	all, err := c.list(ctx, o)
	if c.cannot(err) {
		return c.none(), nil
	}
	return all, err
}

// Watch waits where they cannot be read, and then has them listed, as it does
// where they could not be read just before. Who asks for initial events lists
// next.
func (c *optional[L]) Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	listed := c.reads.Load() || o.SendInitialEvents != nil
	w, err := c.watch(ctx, o)
	switch {
	case !c.cannot(err) && (listed || err != nil):
		return w, err
	case err == nil:
		w.Stop()
		return nil, apierrors.NewResourceExpired("they are readable by now")
	case o.SendInitialEvents != nil:
		return nil, errUnread
	case registry.Pause(ctx, c.again) == nil:
		return nil, apierrors.NewResourceExpired("they may be readable now")
	}
	return nil, ctx.Err()
}

// cannot reports whether an answer means that they cannot be read, and says so.
func (c *optional[L]) cannot(err error) bool {
	switch {
	case err == nil:
		c.reads.Store(true)
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		c.reads.Store(false)
		c.refused(err)
		return true
	}
	return false
}
