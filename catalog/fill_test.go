package catalog

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestFill holds that what is reported at once, to an origin that held nothing, is
// what would be if it was reported one by one, beside what others hold; and that
// the snapshot from before stays as it was.
func TestFill(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := Policy{Packed: rapid.Bool().Draw(t, "packed"), Origins: []OriginPolicy{
			{Origin: "etcd/a", Trust: []string{"prod"}}, {Origin: "etcd/b", Bare: rapid.Bool().Draw(t, "bare"), Trust: []string{"dev"}},
		}}
		atOnce, oneByOne := New(policy), New(policy)
		for _, o := range []Origin{"etcd/b", "etcd/a"} {
			all := rapid.SliceOfN(rapid.Custom(drawWhole), 0, 20).Draw(t, "all")
			for _, c := range []*Catalog{atOnce, oneByOne} {
				c.Feed(o).Identify(Identity(o))
			}
			before := atOnce.Snapshot()
			was := dumped(before)
			atOnce.Feed(o).Replace(eachOwn(all))
			oneByOne.Feed(o).Replace(nil)
			for _, svc := range eachOwn(all) {
				oneByOne.Feed(o).Update([]*Service{svc}, nil)
			}
			if diff := cmp.Diff(dumped(oneByOne.Snapshot()), dumped(atOnce.Snapshot())); diff != "" {
				t.Fatalf("%s (-one by one +at once):\n%s", o, diff)
			}
			if diff := cmp.Diff(was, dumped(before)); diff != "" {
				t.Fatalf("the snapshot before %s changed:\n%s", o, diff)
			}
		}
	})
}

// eachOwn copies them, since they belong to one feed.
func eachOwn(all []*Service) []*Service {
	var own []*Service
	for _, s := range all {
		s := *s
		own = append(own, &s)
	}
	return own
}

// dump is all that a snapshot says.
type dump struct {
	Answers    map[Key]string
	Under      map[Key][]Ref
	Namespaces map[string]nsCount
	Origins    []State
}

func dumped(s *Snapshot) dump {
	d := dump{map[Key]string{}, map[Key][]Ref{}, maps.Collect(s.namespaces.All()), s.Origins()}
	for k, all := range s.keys.All() {
		for _, h := range all {
			d.Under[k] = append(d.Under[k], Ref{h.Key, string(h.origin) + h.Owner})
		}
		if svc := s.Lookup(k); svc != nil {
			d.Answers[k] = svc.Text()
		}
	}
	for i := range d.Origins {
		d.Origins[i].News, d.Origins[i].Since = time.Time{}, time.Time{}
	}
	return d
}
