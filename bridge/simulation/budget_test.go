package simulation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestR3Unanswered holds that deletions whose answers are lost are within the limit,
// too, however often there are some.
func TestR3Unanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.arrange(layouts()[0], options{limit: 3, hold: "never"})
		each(func(k catalog.Key) { w.set(w.sides[kube], k, 1) })
		w.process = w.start()
		time.Sleep(time.Second)
		w.sides[consul].sky(weather{unanswered: 1000})
		each(func(k catalog.Key) {
			w.remove(w.sides[kube], k)
			time.Sleep(time.Second)
		})
		w.sides[consul].sky(weather{})
		w.process.stop()
		for _, wrong := range w.wrong {
			t.Error(wrong)
		}
		if w.writes() < 2*names+3 {
			t.Errorf("%d writes: nothing was deleted", w.writes())
		}
	})
}

// TestR3Terms holds that what a process deletes is within the limit however often
// it is elected.
func TestR3Terms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.arrange(layouts()[0], options{limit: 3, hold: "never", lead: kube})
		each(func(k catalog.Key) { w.set(w.sides[kube], k, 1) })
		w.begin()
		time.Sleep(20 * time.Second)
		w.look()
		first, removed := w.process, 0
		each(func(k catalog.Key) {
			if removed++; removed == 6 { // three are gone
				resume := first.halt()
				time.Sleep(30 * time.Second)
				resume()
				time.Sleep(20 * time.Second)
				w.look()
				w.process.stop()
				time.Sleep(10 * time.Second)
			}
			w.remove(w.sides[kube], k)
			time.Sleep(100 * time.Millisecond)
		})
		if w.look(); first.inTerm() < 3 || w.process != first {
			t.Errorf("the first leader's last term is %d", first.inTerm())
		}
		first.stop()
		for _, wrong := range w.wrong {
			t.Error(wrong)
		}
		if n := w.writes() - 2*names; n != 3 {
			t.Errorf("%d mirrors were deleted, want as many as the limit", n)
		}
	})
}
