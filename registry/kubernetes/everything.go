package kubernetes

import (
	"cmp"
	"context"

	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// everything lists all that src has now, for a reflector whose server does not
// stream it. What comes of a page is made into what is kept before the next one
// is asked for, since all objects together are many times that.
func (src source) everything(ctx context.Context) (*metainternalversion.List, error) {
	all := new(metainternalversion.List)
	keep := src.into.Transformer()
	var wrong error
	version, err := pages(ctx, src.list, func(o metav1.Object) {
		kept, err := keep(o)
		wrong = cmp.Or(wrong, err)
		all.Items = append(all.Items, itemOf(kept))
	})
	all.ResourceVersion = version
	return all, cmp.Or(err, wrong)
}

// item brings what is kept of an object through a reflector.
type item struct{ kept any }

func itemOf(kept any) runtime.Object {
	if o, ok := kept.(runtime.Object); ok {
		return o
	}
	return item{kept}
}

// GetObjectKind and DeepCopyObject are runtime.Object. What is kept is
// immutable.
func (item) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject returns i.
func (i item) DeepCopyObject() runtime.Object { return i }
