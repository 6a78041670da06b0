package kubernetes

import (
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestSliceGoes holds that a slice which goes takes its own endpoints with it and
// no other slice's, also when it comes back under another name.
func TestSliceGoes(t *testing.T) {
	v, c, sources := worldView(config{})
	list(&sources[0], 1, func(i int) any { return worldService(i) })
	first, second := worldSlice(0), worldSlice(1)
	second.Namespace, second.Labels[discoveryv1.LabelServiceName] = first.Namespace, worldName(0).Name
	list(&sources[2], 2, func(i int) any { return []any{first, second}[i] })
	v.first()
	endpoints := func() int {
		v.flush()
		svc := c.Snapshot().Lookup(catalog.Key{Namespace: first.Namespace, Name: worldName(0).Name})
		if svc == nil {
			t.Fatal("the service is gone")
		}
		return len(svc.Endpoints)
	}
	if n := endpoints(); n != 2*worldEndpoints {
		t.Fatalf("%d endpoints at first", n)
	}
	gone := second.DeepCopy()
	gone.ResourceVersion = "200000"
	if err := sources[2].into.Delete(gone); err != nil {
		t.Fatal(err)
	}
	if n := endpoints(); n != worldEndpoints {
		t.Errorf("%d endpoints once a slice is gone, want %d", n, worldEndpoints)
	}
	second.Name, second.ResourceVersion = "another", "200001"
	if err := sources[2].into.Add(second); err != nil {
		t.Fatal(err)
	}
	if n := endpoints(); n != 2*worldEndpoints {
		t.Errorf("%d endpoints once it is back, want %d", n, 2*worldEndpoints)
	}
}
