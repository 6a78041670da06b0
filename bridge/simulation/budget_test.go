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
