package simulation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestR9 holds that what a server says that is behind another which was heard
// before takes no mirror back to what its original said then.
func TestR9(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.arrange(layouts()[0], options{limit: 3, hold: "never"})
		each(func(k catalog.Key) { w.set(w.sides[kube], k, 1) })
		w.process = w.start()
		time.Sleep(time.Second)
		w.sides[kube].save()
		each(func(k catalog.Key) { w.set(w.sides[kube], k, 1) })
		time.Sleep(time.Second)
		before := w.writes()
		w.mu.Lock()
		w.sides[kube].weather = weather{older: 1000}
		w.mu.Unlock()
		w.sides[kube].Forget()
		w.sides[kube].Link().Cut()
		time.Sleep(time.Second)
		w.sides[kube].Link().Heal()
		time.Sleep(time.Minute)
		if n := w.writes() - before; n > 0 {
			t.Errorf("%d writes by what is old", n)
		}
		w.process.stop()
		if w.reached["stale read"] == 0 {
			t.Error("nobody was told what is old")
		}
		for _, wrong := range w.wrong {
			t.Error(wrong)
		}
	})
}

// TestR9Elected holds that who is elected, and did not hear the source since, writes
// nothing by what he heard before: who led may have written what came after it.
func TestR9Elected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.arrange(layouts()[1], options{limit: 3, hold: "never", lead: kube})
		each(func(k catalog.Key) { w.set(w.sides[consul], k, 1) })
		w.begin()
		time.Sleep(20 * time.Second)
		w.look()
		resume := w.standby.halt()
		each(func(k catalog.Key) { w.set(w.sides[consul], k, 1) })
		time.Sleep(time.Second)
		w.sides[consul].Link().Cut()
		first, before := w.process, w.writes()
		first.kill()
		w.process = w.standby
		resume()
		time.Sleep(time.Minute)
		if !w.process.bridge.Status().Lead.Leads {
			t.Error("the other one was not elected")
		}
		if n := w.writes() - before; n > 0 {
			t.Errorf("%d writes by what was heard before", n)
		}
		w.sides[consul].Link().Heal()
		time.Sleep(within)
		w.process.stop()
		for _, wrong := range append(w.wrong, w.unsettled()...) {
			t.Error(wrong)
		}
	})
}
