package isthmus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestGiveBack holds that memory is given back once for all that is read at the
// start, once more for a registry that is read later, and never without a read.
func TestGiveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProcess(block(t, "kubernetes\nconsul\netcd"), nil)
		freed := 0
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go p.views.follow(ctx, p.catalog)
		go func() {
			defer close(ended)
			p.views.giveBack(ctx, func() { freed++ })
		}()
		after := func(d time.Duration, want int, what string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if freed != want {
				t.Errorf("%s: given back %d times, want %d", what, freed, want)
			}
		}
		after(time.Hour, 0, "nothing was read")
		p.catalog.Feed("kubernetes/cluster").Replace(nil)
		after(giveBackAfter/2, 0, "right after the first")
		p.catalog.Feed("consul/dc1").Replace(nil)
		after(giveBackAfter, 1, "two at the start")
		p.catalog.Feed("kubernetes/cluster").Replace(nil)
		after(time.Hour, 1, "one was read anew")
		p.catalog.Feed("etcd/edge").Replace(nil)
		after(giveBackAfter+time.Second, 2, "a third came late")
		<-ended // nothing is left to wait for
		cancel()
		synctest.Wait()
	})
}
