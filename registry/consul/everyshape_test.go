package consul

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestEveryShape holds that a real Consul takes every mirror that Canon says can
// be held, and that it reads back as Canon says: at once for who wrote it, and for
// a reader that comes later.
func TestEveryShape(t *testing.T) {
	empty(t)
	c := open(t, "prod")
	claim(t, c)
	cat := watching(t, c)
	want := map[string]*catalog.Service{}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawService(rt)
		canon, err := c.Canon(s)
		if err != nil || canon == nil {
			return
		}
		if there := get(cat.Snapshot(), s.Name, "prod"); there != nil {
			s.Version = there.Version
		}
		if r := c.Put(t.Context(), []*catalog.Service{s})[0]; r.Err != nil {
			rt.Fatalf("Put: %v\n%s", r.Err, s.Text())
		}
		if got := get(cat.Snapshot(), s.Name, "prod"); got == nil || !got.Same(canon) {
			rt.Fatalf("the feed shows (-Canon +feed)\n%s", cmp.Diff(canon.Text(), textOf(got)))
		}
		want[s.Name] = canon
	})
	reader, err := configure(t, server.URL()).Reader(quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	s := watching(t, reader).Snapshot()
	for name, is := range want {
		if got := get(s, name, "prod"); got == nil || !got.Same(is) {
			t.Errorf("a reader reads (-Canon +read)\n%s", cmp.Diff(is.Text(), textOf(got)))
		}
	}
}

func textOf(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	return s.Text()
}
