package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

const (
	inFlight = 32  // services written at the same time
	batch    = 128 // services written between two looks at the fence
)

// Canon returns s as it would read back.
func (s *server) Canon(svc *catalog.Service) (*catalog.Service, error) {
	if err := s.holds(svc); err != nil {
		return nil, err
	}
	return kubeobject.Canon(svc)
}

// holds refuses a service in a namespace that this server does not read.
func (s *server) holds(svc *catalog.Service) error {
	if all := s.conf.namespaces; len(all) > 0 && !slices.Contains(all, svc.Namespace) {
		return fmt.Errorf("namespace %q is not among those of %s: %w", svc.Namespace, s.conf.Origin(), registry.ErrInvalid)
	}
	return nil
}

// Put writes mirrors.
func (s *server) Put(ctx context.Context, all []*catalog.Service) []registry.Result {
	return s.each(ctx, all, "put", s.put)
}

// Delete removes mirrors.
func (s *server) Delete(ctx context.Context, all []*catalog.Service) []registry.Result {
	return s.each(ctx, all, "delete", s.remove)
}

type write func(context.Context, *catalog.Service) (version string, err error)

// each does one thing to every service, looking at the fence before each
// batch, and lets the feed show it.
func (s *server) each(ctx context.Context, all []*catalog.Service, what string, do write) []registry.Result {
	results := make([]registry.Result, len(all))
	for at := 0; at < len(all); at += batch {
		to := min(at+batch, len(all))
		fenced := s.checkFence(ctx)
		var some errgroup.Group
		some.SetLimit(inFlight)
		for i := at; i < to; i++ {
			some.Go(func() error {
				results[i] = s.one(ctx, all[i], what, fenced, do)
				return nil
			})
		}
		_ = some.Wait() // errors are in the results
		s.withView(func(v *view) { v.flush() })
	}
	return results
}

func (s *server) one(ctx context.Context, svc *catalog.Service, what string, fenced error, do write) registry.Result {
	r := registry.Result{Ref: svc.Ref(), Err: fenced}
	if r.Err == nil && (svc.Mark == nil || svc.Mark.Owner != s.owner) {
		r.Err = fmt.Errorf("mark is not of %q: %w", s.owner, registry.ErrNotOwned)
	}
	if r.Err == nil {
		s.busy.begin(named(svc.Key))
		r.Version, r.Err = do(ctx, svc)
		s.busy.end(named(svc.Key))
		s.withView(func(v *view) { v.again() })
	}
	if r.Err != nil {
		r.Version, r.Err = "", fmt.Errorf("%s %q: %w", what, svc.Key, r.Err)
	}
	return r
}

// withView runs do with the view of the Watch that runs, if any, which does
// not end meanwhile.
func (s *server) withView(do func(*view)) {
	s.viewMu.RLock()
	defer s.viewMu.RUnlock()
	if s.view != nil {
		do(s.view)
	}
}

// stored is a mirror as the server holds it.
type stored struct {
	service *corev1.Service
	slices  map[string]*discoveryv1.EndpointSlice
}

func (h *stored) version() string {
	return kubeobject.Version(h.service, kubeobject.Sorted(h.slices))
}

// put writes one mirror: the Service first, which decides whether it is ours
// to write, then its slices, adding first and removing last.
func (s *server) put(ctx context.Context, svc *catalog.Service) (string, error) {
	if err := s.holds(svc); err != nil {
		return "", err
	}
	want, err := kubeobject.Encode(svc)
	if err != nil {
		return "", err
	}
	if svc.Mark.Joins {
		return s.putJoin(ctx, svc, want.Slices)
	}
	have, err := s.putService(ctx, svc, want.Service)
	if err != nil {
		return "", err
	}
	if err := s.putSlices(ctx, have, want.Slices); err != nil {
		return "", err
	}
	return have.version(), nil
}

// putService makes the Service of svc what it should be, and returns what then
// stands there of the mirror. One that cannot become what it should is replaced.
func (s *server) putService(ctx context.Context, svc *catalog.Service, want *corev1.Service) (*stored, error) {
	if svc.Version == "" {
		return s.create(ctx, want)
	}
	have, err := s.read(ctx, svc)
	if err != nil {
		return nil, err
	}
	if !kubeobject.Replaces(have.service, want) {
		return have, s.updateService(ctx, have, want)
	}
	if err := s.removeStored(ctx, have); err != nil {
		return nil, err
	}
	return s.create(ctx, want)
}

// create makes a Service where there is none.
func (s *server) create(ctx context.Context, want *corev1.Service) (*stored, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client := s.client.CoreV1().Services(want.Namespace)
	made, err := client.Create(ctx, want, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		there, err := client.Get(ctx, want.Name, metav1.GetOptions{})
		if err != nil {
			return nil, outcome(err)
		}
		if err := s.mine(there); err != nil {
			return nil, err
		}
		return nil, registry.ErrConflict
	}
	if err != nil {
		return nil, outcome(err)
	}
	s.tookService(made)
	return &stored{service: made, slices: map[string]*discoveryv1.EndpointSlice{}}, nil
}

// read returns what is there of svc, if it is ours and still has its version:
// as the view shows it, or else as the server does.
func (s *server) read(ctx context.Context, svc *catalog.Service) (*stored, error) {
	var have *stored
	s.withView(func(v *view) { have = v.stored(named(svc.Key)) })
	if have == nil || have.version() != svc.Version {
		var err error
		if have, err = s.readLive(ctx, named(svc.Key)); err != nil {
			return nil, err
		}
	}
	if err := s.mine(have.service); err != nil {
		return nil, err
	}
	if have.version() != svc.Version {
		return nil, registry.ErrConflict
	}
	return have, nil
}

func (s *server) readLive(ctx context.Context, name types.NamespacedName) (*stored, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	svc, err := s.client.CoreV1().Services(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, registry.ErrConflict
	}
	if err != nil {
		return nil, cause(err)
	}
	of := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: name.Name}).String()
	all, err := s.client.DiscoveryV1().EndpointSlices(name.Namespace).List(ctx, metav1.ListOptions{LabelSelector: of})
	if err != nil {
		return nil, cause(err)
	}
	have := &stored{service: svc, slices: map[string]*discoveryv1.EndpointSlice{}}
	for i := range all.Items {
		if slice := &all.Items[i]; kubeobject.OwnsSlice(s.owner, slice) {
			have.slices[slice.Name] = slice
		}
	}
	return have, nil
}

// stored returns what the tables hold of a mirror that is ours, or nil.
func (v *view) stored(name types.NamespacedName) *stored {
	svc := v.services.get(name)
	if svc == nil || svc.whole == nil {
		return nil
	}
	have := &stored{service: svc.whole, slices: map[string]*discoveryv1.EndpointSlice{}}
	for _, slice := range v.slices.of(name) {
		if slice.whole != nil {
			have.slices[slice.whole.Name] = slice.whole
		}
	}
	return have
}

// mine returns ErrNotOwned unless this owner may write the Service.
func (s *server) mine(svc *corev1.Service) error {
	m := kubeobject.MarkOf(svc)
	switch {
	case m == nil:
		return fmt.Errorf("a native Service stands there: %w", registry.ErrNotOwned)
	case m.Owner != s.owner:
		return fmt.Errorf("it belongs to %q: %w", m.Owner, registry.ErrNotOwned)
	case m.Format > catalog.MarkFormat:
		return fmt.Errorf("its mark has format %d: %w", m.Format, registry.ErrNotOwned)
	}
	return nil
}

// updateService writes the Service if it says something else. What the view
// holds is trimmed, so that the whole of it is read before.
func (s *server) updateService(ctx context.Context, have *stored, want *corev1.Service) error {
	if _, changed := kubeobject.MergeService(have.service, want); !changed {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client := s.client.CoreV1().Services(want.Namespace)
	whole, err := client.Get(ctx, want.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && whole.ResourceVersion != have.service.ResourceVersion {
		return registry.ErrConflict
	}
	if err != nil {
		return cause(err)
	}
	merged, _ := kubeobject.MergeService(whole, want)
	made, err := client.Update(ctx, merged, metav1.UpdateOptions{})
	if err != nil {
		return outcome(err)
	}
	s.tookService(made)
	have.service = made
	return nil
}

// remove deletes one mirror: the Service first, so that no reader sees it with
// half of its endpoints, then its slices. If we die in between, the garbage
// collector deletes the slices, which name the Service as their owner.
func (s *server) remove(ctx context.Context, svc *catalog.Service) (string, error) {
	if svc.Mark.Joins {
		return s.putJoin(ctx, svc, nil)
	}
	have, err := s.read(ctx, svc)
	if err != nil {
		return "", err
	}
	return "", s.removeStored(ctx, have)
}

func (s *server) removeStored(ctx context.Context, have *stored) error {
	if err := s.deleteService(ctx, have.service); err != nil {
		return err
	}
	for _, slice := range kubeobject.Sorted(have.slices) {
		if err := s.deleteSlice(ctx, slice); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) deleteService(ctx context.Context, svc *corev1.Service) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := s.client.CoreV1().Services(svc.Namespace).Delete(ctx, svc.Name, onlyIf(svc))
	if apierrors.IsNotFound(err) {
		return registry.ErrConflict
	}
	if err != nil {
		return outcome(err)
	}
	s.withView(func(v *view) { v.services.bury(nameOf(svc), versionOf(svc)) })
	return nil
}

// onlyIf is the condition that an object is still the one that was read.
func onlyIf(o metav1.Object) metav1.DeleteOptions {
	uid, version := o.GetUID(), o.GetResourceVersion()
	return metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}}
}

// tookService lets the view show what the server answered.
func (s *server) tookService(svc *corev1.Service) {
	s.withView(func(v *view) { v.services.put(v.keeper.service(svc.DeepCopy())) })
}

// outcome turns an error of a write into one that callers branch on. A write
// whose answer was lost may have been done.
func outcome(err error) error {
	var status apierrors.APIStatus
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fmt.Errorf("%w: %w", registry.ErrConflict, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsRequestEntityTooLargeError(err):
		return fmt.Errorf("%w: %w", registry.ErrInvalid, err)
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsInternalError(err):
		return fmt.Errorf("%w: %w", registry.ErrUnknownOutcome, err)
	case errors.As(err, &status), neverSent(err), isOurs(err):
		return err
	}
	return fmt.Errorf("%w: %w", registry.ErrUnknownOutcome, cause(err))
}

// neverSent reports whether there was no connection to send a request on.
func neverSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// isOurs reports whether callers can branch on err as it is.
func isOurs(err error) bool {
	for _, known := range []error{registry.ErrConflict, registry.ErrNotOwned, registry.ErrFenced, registry.ErrForeignFence, registry.ErrInvalid, registry.ErrNotLeading} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
