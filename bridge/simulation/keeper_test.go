package simulation

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// keeps plays something between Kubernetes and ZooKeeper, once all is mirrored.
func keeps(t *testing.T, from, to catalog.Origin, do func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		l := layout{"with ZooKeeper", []catalog.Origin{from, to}, [][2]catalog.Origin{{from, to}}}
		w.arrange(l, options{limit: 3, hold: "never"})
		for _, name := range []string{"s01", "s02"} {
			w.set(w.sides[from], catalog.Key{Namespace: "shop", Name: name}, 1)
		}
		w.process = w.start()
		time.Sleep(time.Second)
		do(w)
		w.process.stop()
		for _, wrong := range append(w.wrong, w.unsettled()...) {
			t.Error(wrong)
		}
	})
}

// TestR9Follower holds that who reads anew from a server of ZooKeeper's that is behind
// makes nothing of it.
func TestR9Follower(t *testing.T) {
	keeps(t, keeper, kube, func(w *world) {
		from := w.sides[keeper]
		from.save()
		w.set(from, catalog.Key{Namespace: "shop", Name: "s01"}, 2)
		time.Sleep(time.Second)
		before := w.writes()
		w.mu.Lock()
		from.weather = weather{older: 1000}
		w.mu.Unlock()
		from.Link().Cut()
		time.Sleep(time.Second)
		from.Link().Heal()
		time.Sleep(time.Minute)
		if n := w.writes() - before; n > 0 {
			t.Errorf("%d writes by what is old", n)
		}
		if w.reached["follower behind"] == 0 {
			t.Error("no server was behind")
		}
	})
}

// TestR11UnderWay holds that a deletion whose outcome was unknown, and which was done
// once more, does not come to a mirror that was made since.
func TestR11UnderWay(t *testing.T) {
	keeps(t, kube, keeper, func(w *world) {
		from, to, key := w.sides[kube], w.sides[keeper], catalog.Key{Namespace: "shop", Name: "s01"}
		w.mu.Lock()
		to.weather = weather{late: 1000}
		w.mu.Unlock()
		w.remove(from, key)
		time.Sleep(100 * time.Millisecond)
		w.mu.Lock()
		to.weather = weather{}
		w.mu.Unlock()
		time.Sleep(within)
		w.set(from, key, 1)
		time.Sleep(time.Second)
		w.land()
		if w.reached["late write refused"] == 0 {
			t.Error("nothing came late, or it was taken")
		}
		time.Sleep(time.Second)
	})
}

// TestR2Lull holds that a service of ZooKeeper's which is there again before its lull
// is over was not gone, and one that is not is.
func TestR2Lull(t *testing.T) {
	keeps(t, keeper, kube, func(w *world) {
		from, key := w.sides[keeper], catalog.Key{Namespace: "shop", Name: "s01"}
		before, is := w.writes(), from.natives[key].is
		for range 5 {
			w.remove(from, key)
			time.Sleep(400 * time.Millisecond)
			from.register(is)
			time.Sleep(time.Second)
		}
		if n := w.writes() - before; n > 0 {
			t.Errorf("%d writes for what came back at once", n)
		}
		w.remove(from, key)
		time.Sleep(600 * time.Millisecond)
		if n := w.writes() - before; n != 1 {
			t.Errorf("%d writes for what did not come back, want 1", n)
		}
	})
}
