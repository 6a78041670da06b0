package simulation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestR7 holds that a crash before or after any write, of a run in which all kinds
// of them happen, leaves nothing that the next run does not put right.
func TestR7(t *testing.T) {
	for _, after := range []bool{false, true} {
		t.Run(fmt.Sprintf("after=%t", after), func(t *testing.T) {
			for n := 1; crashesAt(t, n, after); n++ {
				if n > 200 {
					t.Fatal("there is no end of writes")
				}
			}
		})
	}
}

// crashesAt plays the run with a crash at its n-th write; false if it has less.
func crashesAt(t *testing.T, n int, after bool) (crashed bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		w.arrange(layouts()[2], options{limit: 3, hold: "30s"})
		w.process = w.start()
		w.process.crashIn(n, after)
		w.everyKind()
		crashed = w.process.crashed()
		w.clearUp()
		w.r1Converges()
		w.process.stop()
		for _, wrong := range w.wrong {
			t.Errorf("R7: crash at write %d: %s", n, wrong)
		}
	})
	return crashed
}

// everyKind has the bridge create, change, empty and delete mirrors.
func (w *world) everyKind() {
	key := func(i int) catalog.Key { return catalog.Key{Namespace: "shop", Name: fmt.Sprintf("s%02d", i)} }
	for _, o := range w.layout.origins {
		for i := range 4 {
			w.set(w.sides[o], key(i), 1)
		}
		time.Sleep(time.Second)
		w.set(w.sides[o], key(0), 2)
		w.set(w.sides[o], key(1), 0)
		w.sides[o].unregister(key(2))
		time.Sleep(time.Second)
	}
}

// TestR14 holds that an original that no target takes, and a record that cannot be
// read, cost the others nothing: neither a mirror nor a moment.
func TestR14(t *testing.T) {
	took := map[bool]time.Duration{}
	for _, poison := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			l := layouts()[0]
			w.layout, w.file, w.sides = l, l.file(options{limit: 3, hold: "30s"}), map[catalog.Origin]*side{}
			for _, o := range l.origins {
				w.sides[o] = newSide(w, o)
			}
			if poison {
				w.set(w.sides[kube], catalog.Key{Namespace: "shop", Name: "bad0"}, 1)
				w.set(w.sides[kube], catalog.Key{Namespace: "shop", Name: "bad1"}, 1)
				w.sides[kube].Malform("shop/broken", fmt.Errorf("no service"))
			}
			each(func(k catalog.Key) { w.set(w.sides[kube], k, 1) })
			w.process = w.start()
			for len(w.unsettled()) > 0 && time.Since(epoch) < time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
			took[poison] = time.Since(epoch)
			w.process.stop()
		})
	}
	if took[true] > took[false]+100*time.Millisecond {
		t.Errorf("R14: all good ones are there after %s, and with bad ones among them after %s", took[false], took[true])
	}
}
