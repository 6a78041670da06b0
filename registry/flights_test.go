package registry

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestFlights holds that the first flight is alone, and that of those after it so many
// are under way at a time as are to be, until all are done.
func TestFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, began := NewFlights(2), time.Now()
		took := make([]time.Duration, 6)
		for i := range took {
			f.Launch(func() {
				time.Sleep(time.Second) // of the bubble
				took[i] = time.Since(began)
			})
		}
		f.Wait()
		if got := fmt.Sprint(took); got != "[1s 2s 2s 3s 3s 4s]" {
			t.Errorf("flights were over after %s", got)
		}
	})
}

// TestFlightsStopped holds that the first reason to stop counts, and that a service is
// admitted once, and none after that.
func TestFlightsStopped(t *testing.T) {
	f := NewFlights(1)
	web := &catalog.Service{Key: catalog.Key{Namespace: "shop", Name: "web"}}
	mirror := *web
	mirror.Mark = &catalog.Mark{Owner: "prod"}
	f.Stop(nil)
	if err := errors.Join(f.Stopped(), f.Admit(web), f.Admit(&mirror)); err != nil {
		t.Errorf("two services of one key: %v", err)
	}
	if err := f.Admit(web); !errors.Is(err, ErrConflict) {
		t.Errorf("one twice: %v, want %v", err, ErrConflict)
	}
	f.Stop(ErrFenced)
	f.Stop(ErrNotOwned)
	if err := f.Stopped(); err != ErrFenced {
		t.Errorf("stopped by %v, want %v", err, ErrFenced)
	}
	if err := f.Admit(&catalog.Service{}); err != ErrFenced {
		t.Errorf("admitted after that: %v, want %v", err, ErrFenced)
	}
}
