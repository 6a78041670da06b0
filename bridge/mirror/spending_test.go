package mirror

import (
	"context"
	"log/slog"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestSecondLook holds that a second read of the source releases nothing that
// it still shows, by whatever name that stands at the target.
func TestSecondLook(t *testing.T) {
	const mirrorOfIt = "service in/my-db ClusterIP\n\tmark owner=me of=id:kubernetes/src key=consul/my_db format=1\n\tendpoint 10.1.0.1 id=a ready serving\n"
	const named = "service consul/my_db Headless\n\tendpoint db.example.org id=a ready serving\n\tendpoint 10.1.0.2 id=b ready serving\n"
	for _, tt := range []struct {
		name, again string
		gone        int
	}{
		{"it is there, by a name that had to be made valid", "service consul/my_db Headless\n\tendpoint 10.1.0.1 id=a ready serving\n", 0},
		{"it is there, and where its address is nobody knows", named, 0},
		{"it is not there", "service consul/other Headless\n", 1},
		{"it is there, with an address of the target's own", "service consul/my_db Headless\n\tendpoint 10.96.0.1 id=a ready serving\n", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: "service consul/other Headless\n", dst: mirrorOfIt})
			c.Feed(dst).ReplaceRanges(rangesOf("10.96.0.0/16"))
			r := rule()
			r.Inward, r.Virtual = true, true
			naming("in", "{service}")(r)
			recheck := func(_ context.Context, o catalog.Origin) (*catalog.Snapshot, error) {
				return sides(t, map[catalog.Origin]string{o: tt.again}).Snapshot(), nil
			}
			target := NewTarget("me", newStore(t, dst, "").open("me"))
			l := NewLoop(r, nil, c, target, recheck, slog.New(slog.DiscardHandler))
			var held []catalog.Ref
			for m := range c.Snapshot().From(dst) {
				held = append(held, m.Ref())
			}
			if gone, there := l.secondLook(t.Context(), c.Snapshot(), held); len(gone) != tt.gone || len(there) != 1-tt.gone {
				t.Errorf("let go: %v and not %v, want %d", gone, there, tt.gone)
			}
		})
	}
}
