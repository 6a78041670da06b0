package kubernetes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestShelf puts and drops at random, and holds that every object is found
// under its name and in its group, and nothing else is.
func TestShelf(t *testing.T) {
	of := func(s *slice) string { return s.of }
	random := rand.New(rand.NewPCG(1, 2))
	var s shelf[*slice]
	held := map[string]*slice{}
	for range 2000 {
		name := fmt.Sprintf("s%d", random.IntN(20))
		if o := held[name]; o != nil {
			s.drop(o, of)
			delete(held, name)
		} else {
			held[name] = testSlice(name, fmt.Sprintf("g%d", random.IntN(4)))
			s.put(held[name], of)
		}
		groups := map[string][]*slice{}
		for i := range 20 {
			name := fmt.Sprintf("s%d", i)
			o, _, known := s.find(name)
			if o != held[name] || known != (o != nil) {
				t.Fatalf("find(%q) = %v, %v; held is %v", name, o, known, held[name])
			}
			if o != nil {
				groups[o.of] = append(groups[o.of], o)
			}
		}
		for i := range 4 {
			group := fmt.Sprintf("g%d", i)
			if diff := cmp.Diff(namesOf(groups[group]), namesOf(s.of(group, of))); diff != "" {
				t.Fatalf("group %q (-want +got):\n%s", group, diff)
			}
		}
	}
}

func namesOf(all []*slice) (names []string) {
	for _, s := range all {
		names = append(names, s.part.Name())
	}
	slices.Sort(names)
	return names
}

// TestSliceOf holds that a slice knows its Service, whatever their names.
func TestSliceOf(t *testing.T) {
	for _, tt := range []struct{ slice, of string }{
		{"web-x7k2p", "web"}, {"web", "web"}, {"other", "web"}, {"we", "web"}, {"web-x7k2p", ""},
	} {
		if s := testSlice(tt.slice, tt.of); s.of != tt.of || s.identity().name.Name != tt.slice {
			t.Errorf("slice %q of %q is %q of %q", tt.slice, tt.of, s.identity().name, s.of)
		}
	}
}

func testSlice(name, of string) *slice {
	o := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: "a", Name: name, ResourceVersion: "7", Labels: map[string]string{discoveryv1.LabelServiceName: of},
	}}
	return keeper{}.slice(o)
}
