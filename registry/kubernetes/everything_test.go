package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metainternalversion "k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// recorded is a store that writes down what it is handed.
type recorded struct {
	cache.ReflectorStore
	did []string
}

func (r *recorded) Transformer() cache.TransformFunc {
	return func(o any) (any, error) {
		r.did = append(r.did, "keep "+o.(*corev1.Namespace).Name)
		return keeper{}.namespace(o.(*corev1.Namespace)), nil
	}
}

// TestEverything holds that of a page nothing is left but what is kept when the
// next page comes.
func TestEverything(t *testing.T) {
	into := new(recorded)
	src := source{into: into, list: func(_ context.Context, o metav1.ListOptions) (runtime.Object, error) {
		into.did = append(into.did, fmt.Sprintf("list %d %s", o.Limit, o.Continue))
		page := &corev1.NamespaceList{ListMeta: metav1.ListMeta{ResourceVersion: "70", Continue: o.Continue + "x"}}
		if o.Continue == "xx" {
			page.Continue = ""
		}
		for i := range 2 {
			page.Items = append(page.Items, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%s%d", o.Continue, i), ResourceVersion: "7"}})
		}
		return page, nil
	}}
	all, err := src.everything(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"list 500 ", "keep n0", "keep n1", "list 500 x", "keep nx0", "keep nx1", "list 500 xx", "keep nxx0", "keep nxx1"}
	if diff := cmp.Diff(want, into.did); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := kept(t, all); got != "n0 n1 nx0 nx1 nxx0 nxx1 @70" {
		t.Errorf("kept: %s", got)
	}
}

// kept reads a list whose items a reflector hands over.
func kept(t *testing.T, list *metainternalversion.List) string {
	t.Helper()
	held := newTable[*namespace](nil, func(types.NamespacedName) {})
	keep := keeping(held, keeper{}.namespace)
	var names []string
	for _, o := range list.Items {
		ns, err := keep(o)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, ns.name.Name)
	}
	return strings.Join(names, " ") + " @" + list.ResourceVersion
}
