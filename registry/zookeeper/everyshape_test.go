package zookeeper

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestEveryShape holds that a real server takes every mirror that Canon says can be
// held, over whatever stood there before, and that it reads back as Canon says: at
// once for who wrote it, and for a reader that comes later.
func TestEveryShape(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world\npayload spring"
	w := claimed(t, r, "prod")
	last := map[catalog.Ref]*catalog.Service{}
	rapid.Check(t, func(rt *rapid.T) {
		s := drawService(rt)
		canon, err := w.Canon(s)
		if err != nil {
			rt.Fatalf("Canon: %v", err)
		}
		if there := w.catalog.Snapshot().Get(w.origin, s.Ref()); there != nil {
			s.Version = there.Version
		}
		if result := w.Put(t.Context(), []*catalog.Service{s})[0]; result.Err != nil {
			rt.Fatalf("Put: %v\n%s", result.Err, s.Text())
		}
		if got := w.catalog.Snapshot().Get(w.origin, s.Ref()); textOf(got) != textOf(canon) {
			rt.Fatalf("the feed shows (-Canon +feed)\n%s", cmp.Diff(textOf(canon), textOf(got)))
		}
		last[s.Ref()] = canon
	})
	reader := watch(t, r.reader(t))
	reader.synced(t)
	for ref, want := range last {
		if got := reader.catalog.Snapshot().Get(reader.origin, ref); textOf(got) != textOf(want) {
			t.Errorf("a reader reads (-Canon +read)\n%s", cmp.Diff(textOf(want), textOf(got)))
		}
	}
}

// textOf is a service without its version.
func textOf(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	bare := *s
	bare.Version = ""
	return bare.Text()
}
