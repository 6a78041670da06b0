package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/kubeobject"
)

// putSlices makes the slices of a mirror what they should be, and keeps have
// up to date with it. Those that say the same already are not written. The
// order is: new ones, those that lose nothing, those that do, those to go.
func (s *server) putSlices(ctx context.Context, have *stored, want []*discoveryv1.EndpointSlice) error {
	keep := map[string]bool{}
	var grow, shrink []*discoveryv1.EndpointSlice
	for _, slice := range want {
		keep[slice.Name] = true
		was := have.slices[slice.Name]
		if was == nil {
			if err := s.createSlice(ctx, have, slice); err != nil {
				return err
			}
			continue
		}
		merged, changed := kubeobject.MergeSlice(was, slice)
		switch {
		case !changed:
		case kubeobject.Shrinks(was, merged):
			shrink = append(shrink, merged)
		default:
			grow = append(grow, merged)
		}
	}
	for _, merged := range append(grow, shrink...) {
		if err := s.updateSlice(ctx, have, merged); err != nil {
			return err
		}
	}
	for _, slice := range kubeobject.Sorted(have.slices) {
		if keep[slice.Name] {
			continue
		}
		if err := s.deleteSlice(ctx, slice); err != nil {
			return err
		}
		delete(have.slices, slice.Name)
	}
	return nil
}

// createSlice makes a slice. One that stands there already and is ours was
// left by a write that was cut short: it is taken over.
func (s *server) createSlice(ctx context.Context, have *stored, want *discoveryv1.EndpointSlice) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	want = want.DeepCopy()
	want.OwnerReferences = []metav1.OwnerReference{ownerReference(have.service)}
	client := s.client.DiscoveryV1().EndpointSlices(want.Namespace)
	made, err := client.Create(ctx, want, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		there, err := client.Get(ctx, want.Name, metav1.GetOptions{})
		if err != nil {
			return outcome(err)
		}
		if !kubeobject.OwnsSlice(s.owner, there) {
			return fmt.Errorf("endpoint slice %q is not of %q: %w", there.Name, s.owner, registry.ErrNotOwned)
		}
		merged, _ := kubeobject.MergeSlice(there, want)
		merged.OwnerReferences = want.OwnerReferences
		return s.updateSlice(ctx, have, merged)
	}
	if err != nil {
		return outcome(err)
	}
	s.tookSlice(have, made)
	return nil
}

// ownerReference lets the garbage collector delete a slice with its Service.
func ownerReference(svc *corev1.Service) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "v1", Kind: "Service", Name: svc.Name, UID: svc.UID}
}

func (s *server) updateSlice(ctx context.Context, have *stored, slice *discoveryv1.EndpointSlice) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	made, err := s.client.DiscoveryV1().EndpointSlices(slice.Namespace).Update(ctx, slice, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return registry.ErrConflict
	}
	if err != nil {
		return outcome(err)
	}
	s.tookSlice(have, made)
	return nil
}

func (s *server) deleteSlice(ctx context.Context, slice *discoveryv1.EndpointSlice) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := s.client.DiscoveryV1().EndpointSlices(slice.Namespace).Delete(ctx, slice.Name, onlyIf(slice))
	if err != nil && !apierrors.IsNotFound(err) {
		return outcome(err)
	}
	s.withView(func(v *view) { v.slices.bury(nameOf(slice), versionOf(slice)) })
	return nil
}

// tookSlice lets have and the view show what the server answered.
func (s *server) tookSlice(have *stored, slice *discoveryv1.EndpointSlice) {
	have.slices[slice.Name] = slice
	s.withView(func(v *view) { v.slices.put(v.keeper.slice(slice.DeepCopy())) })
}
