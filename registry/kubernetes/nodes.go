package kubernetes

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

var _ registry.Detailer = (*config)(nil)

// node is what is kept of a Node.
type node struct {
	id
	node *catalog.Node // nil: it has no address
}

func (k keeper) node(o *corev1.Node) *node {
	return &node{idOf(o, k.texts), kubeobject.NodeOf(o)}
}

// nodeSources are what is watched of nodes: nothing unless asked for.
func (s *server) nodeSources(v *view, listed func() func()) []source {
	if !s.conf.details.Nodes {
		return nil
	}
	src := s.permitted(selected("nodes", &corev1.Node{}, s.client.CoreV1().Nodes(), func(*metav1.ListOptions) {}))
	src.past = v.newPast()
	all := func(types.NamespacedName) bool { return true }
	src.into = &scope[*node]{v.nodes, keeping(v.nodes, v.keeper.node), all, listed(), src.past}
	return []source{src}
}

// askAgain is when a right that was refused is asked for again.
const askAgain = time.Minute

// permitted is src where it may be read, and nothing at all where it may not:
// only services exposed by node ports want nodes, and whoever plans their mirrors
// finds that the nodes are not known. So the right is no condition for the rest.
func (s *server) permitted(src source) source {
	list, watched := src.list, src.watch
	var once sync.Once
	refused := func(err error) bool {
		if apierrors.IsForbidden(err) {
			once.Do(func() { s.log.Warn("no addresses of nodes: grant list and watch on nodes", "err", cause(err)) })
			return true
		}
		return false
	}
	src.list = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		all, err := list(ctx, o)
		if refused(err) {
			return &corev1.NodeList{}, nil
		}
		return all, err
	}
	src.watch = func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		w, err := watched(ctx, o)
		// What asks for initial events lists next.
		if o.SendInitialEvents == nil && refused(err) && registry.Pause(ctx, askAgain) == nil {
			return nil, apierrors.NewResourceExpired("the right may have been granted")
		}
		return w, err
	}
	return src
}

func (v *view) noteNode(types.NamespacedName) {
	v.dirtyMu.Lock()
	v.nodesDirty = true
	v.dirtyMu.Unlock()
	v.again()
}

// flushNodesLocked reports nodes, if any came, moved or went. They change all
// the time in what nobody here asks for.
func (v *view) flushNodesLocked() {
	v.dirtyMu.Lock()
	dirty := v.nodesDirty
	v.nodesDirty = false
	v.dirtyMu.Unlock()
	if dirty && v.reportNodesLocked() {
		v.health.tell()
	}
}

func (v *view) reportNodesLocked() (changed bool) {
	var all []*catalog.Node
	for _, name := range v.nodes.names() {
		if n := v.nodes.get(name); n != nil && n.node != nil {
			all = append(all, n.node)
		}
	}
	slices.SortFunc(all, func(a, b *catalog.Node) int { return cmp.Compare(a.Name, b.Name) })
	if v.ready && slices.EqualFunc(all, v.atNodes, (*catalog.Node).Equal) {
		return false
	}
	v.feed.ReplaceNodes("", all)
	v.atNodes = all
	return true
}
