package kubernetes

import (
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// notEnded leaves out the pods whose addresses may be others' by now.
const notEnded = "status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown"

// podSources are what is watched of pods, in each namespace or in all.
func (s *server) podSources(v *view, listed func() func()) []source {
	if !s.conf.pods {
		return nil
	}
	var all []source
	for _, ns := range s.watched() {
		src, table := s.pods(ns), newPodTable(v.again, listed())
		src.into = table
		v.pods = append(v.pods, table)
		all = append(all, src)
	}
	return all
}

func (s *server) pods(ns string) source {
	return selected(in("pods", ns), &corev1.Pod{}, s.client.CoreV1().Pods(ns), func(o *metav1.ListOptions) {
		o.LabelSelector, o.FieldSelector = s.conf.labels, notEnded
	})
}

// podTable is what one reflector tells of pods. Nobody here writes pods, so
// what comes last is the newest; and of each only what is reported is kept,
// because there are many and the objects are large.
type podTable struct {
	changed func() // called after a change, holding no lock
	listed  func() // called after each Replace

	mu   sync.Mutex // guards what follows
	held map[catalog.Key]*catalog.Pod
	news map[catalog.Key]bool // came, changed or went since take
}

func newPodTable(changed, listed func()) *podTable {
	return &podTable{changed: changed, listed: listed, held: map[catalog.Key]*catalog.Pod{}, news: map[catalog.Key]bool{}}
}

var _ cache.TransformingStore = (*podTable)(nil)

// take returns the pods that are new or changed since it was last asked, and
// those that went.
func (t *podTable) take() (set []*catalog.Pod, gone []catalog.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.news {
		if p := t.held[k]; p != nil {
			set = append(set, p)
		} else {
			gone = append(gone, k)
		}
	}
	clear(t.news)
	return set, gone
}

// putLocked makes k be p; nil stands for a pod that is gone.
func (t *podTable) putLocked(k catalog.Key, p *catalog.Pod) {
	was := t.held[k]
	switch {
	case p == nil && was == nil, p != nil && was != nil && p.Equal(was):
		return
	case p == nil:
		delete(t.held, k)
	default:
		t.held[k] = p
	}
	t.news[k] = true
}

func (t *podTable) put(o any, decode func(*corev1.Pod) *catalog.Pod) error {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("unexpected object %T", o)
	}
	t.mu.Lock()
	t.putLocked(keyOf(nameOf(p)), decode(p))
	t.mu.Unlock()
	t.changed()
	return nil
}

// Add, Update, Delete, Replace and Resync are cache.ReflectorStore.
func (t *podTable) Add(o any) error { return t.Update(o) }

// Update takes a pod that is new or changed.
func (t *podTable) Update(o any) error { return t.put(o, kubeobject.DecodePod) }

// Delete takes the last state of a pod that is gone.
func (t *podTable) Delete(o any) error {
	return t.put(o, func(*corev1.Pod) *catalog.Pod { return nil })
}

// Replace takes a whole list.
func (t *podTable) Replace(list []any, _ string) error {
	all := make(map[catalog.Key]*catalog.Pod, len(list))
	for _, o := range list {
		p, ok := o.(*corev1.Pod)
		if !ok {
			return fmt.Errorf("unexpected object %T", o)
		}
		all[keyOf(nameOf(p))] = kubeobject.DecodePod(p)
	}
	t.mu.Lock()
	for k := range t.held {
		if all[k] == nil {
			t.putLocked(k, nil)
		}
	}
	for k, p := range all {
		t.putLocked(k, p)
	}
	t.mu.Unlock()
	t.listed()
	t.changed()
	return nil
}

// Resync does nothing: there is no later stage that could have lost something.
func (t *podTable) Resync() error { return nil }

// Transformer trims objects before a list of them is complete.
func (t *podTable) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		if p, ok := o.(*corev1.Pod); ok {
			trimPod(p)
		}
		return o, nil
	}
}

func trimPod(p *corev1.Pod) {
	trimMeta(p)
	p.Annotations = nil
	p.Spec = corev1.PodSpec{HostNetwork: p.Spec.HostNetwork, NodeName: p.Spec.NodeName}
	p.Status = corev1.PodStatus{Phase: p.Status.Phase, PodIPs: p.Status.PodIPs}
}

// takePods returns what changed of pods since it was last asked.
func (v *view) takePods() (set []*catalog.Pod, gone []catalog.Key) {
	for _, t := range v.pods {
		s, g := t.take()
		set, gone = append(set, s...), append(gone, g...)
	}
	return set, gone
}

// flushPodsLocked reports it.
func (v *view) flushPodsLocked() {
	if set, gone := v.takePods(); len(set)+len(gone) > 0 {
		v.feed.UpdatePods(set, gone)
		v.health.tell()
	}
}
