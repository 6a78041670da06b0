package memory

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

func service(name string) *catalog.Service {
	return &catalog.Service{Key: catalog.Key{Namespace: "shop", Name: name}, Meta: map[string]string{"a": "b"}}
}

// TestCopies holds that what is handed over and what is handed out can be
// edited without a record changing.
func TestCopies(t *testing.T) {
	s := NewServer("memory:1")
	in := service("web")
	s.Set(in)
	in.Meta["a"] = "edited"
	out := s.Get(in.Ref())
	out.Meta["a"] = "edited, too"
	if got := s.Get(in.Ref()); got.Meta["a"] != "b" || got.Version == "" {
		t.Errorf("Get = %s\nwant what was set, at a version", got.Text())
	}
	if got := s.Get(catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "db"}}); got != nil {
		t.Errorf("Get of nothing = %s", got.Text())
	}
}

// TestStamp holds that every write of a record shows, be it with the same
// content, and that what is no record does not.
func TestStamp(t *testing.T) {
	s := NewServer("memory:1")
	s.Set(service("web"))
	for _, tt := range []struct {
		name string
		do   func()
		want bool
	}{
		{"the same again", func() { s.Set(service("web")) }, true},
		{"another", func() { s.Set(service("db")) }, true},
		{"one gone", func() { s.Remove(service("db").Ref()) }, true},
		{"one gone that was not there", func() { s.Remove(service("db").Ref()) }, false},
		{"a namespace", func() { s.AddNamespace("shop") }, false},
		{"a malformed record", func() { s.Malform("x", errors.New("bad")) }, false},
		{"a cut", func() { s.Link().Cut() }, false},
	} {
		before := s.Stamp()
		tt.do()
		if got := s.Stamp() != before; got != tt.want {
			t.Errorf("%s: the stamp changed: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestForget holds that a Watch which is behind what is forgotten ends, and
// that one which is up to date goes on.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer("memory:1")
		s.Set(service("web"))
		c := catalog.New(catalog.Policy{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- s.Reader().Watch(ctx, c.Feed("memory/x")) }()
		synctest.Wait()
		s.Forget()
		s.Set(service("db"))
		synctest.Wait()
		if n := c.Snapshot().State("memory/x").Services; n != 2 {
			t.Errorf("%d services after what was known already was forgotten, want 2", n)
		}
		s.Link().Stall()
		s.Set(service("mail"))
		s.Forget()
		s.Link().Heal()
		if err := <-ended; !errors.Is(err, errForgotten) {
			t.Errorf("Watch = %v, want %v", err, errForgotten)
		}
	})
}
