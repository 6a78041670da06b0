package registrytest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Parse reads a stanza, which must be right, as a type of registry does. env is the
// environment.
func Parse(t T, typ registry.Type, text string, env map[string]string) registry.Config {
	t.Helper()
	c, err := TryParse(typ, text, env)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

// TryParse is Parse of what may be wrong. Its place is the file "conf".
func TryParse(typ registry.Type, text string, env map[string]string) (registry.Config, error) {
	all, err := stanza.Parse("conf", []byte(text))
	if err != nil {
		return nil, err
	}
	return typ.Parse(all[0], func(name string) string { return env[name] })
}

// Followed is an open registry with a Watch that is called again as soon as it returns,
// under a catalog of its own: for what a registry tests beside the suite.
type Followed struct {
	Catalog *catalog.Catalog
	Origin  catalog.Origin
	Errs    chan error // of each Watch that returned, as far as there is room
}

// Follow follows r until the test ends, and closes it then.
func Follow(t testing.TB, r registry.Registry, origin catalog.Origin) *Followed {
	f := &Followed{catalog.New(catalog.Policy{}), origin, make(chan error, 100)}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.follow(ctx, r)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return f
}

func (f *Followed) follow(ctx context.Context, r registry.Registry) {
	feed := f.Catalog.Feed(f.Origin)
	for ctx.Err() == nil {
		err := r.Watch(ctx, feed)
		feed.Connected(err)
		select {
		case f.Errs <- err:
		default:
		}
	}
}

// Until waits until ok holds of a snapshot, and returns that.
func (f *Followed) Until(t testing.TB, what string, ok func(*catalog.Snapshot) bool) *catalog.Snapshot {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		s := f.Catalog.Snapshot()
		if ok(s) {
			return s
		}
		select {
		case <-s.Changed():
		case <-deadline:
			t.Fatalf("%s: not within 20 s; state %+v\n%.5000s", what, s.State(f.Origin), f.Text(s))
		}
	}
}

// Synced waits for the first report.
func (f *Followed) Synced(t testing.TB) *catalog.Snapshot {
	t.Helper()
	return f.Until(t, "first report", func(s *catalog.Snapshot) bool { return s.Synced(f.Origin) })
}

// Text is all that a snapshot holds of the registry, without versions.
func (f *Followed) Text(s *catalog.Snapshot) string {
	var all []*catalog.Service
	for svc := range s.From(f.Origin) {
		all = append(all, bare(svc))
	}
	var b strings.Builder
	_ = catalog.WriteText(&b, all) // a Builder takes it all
	return b.String()
}

// Hosts are those of a native service's endpoints, with spaces between them, or "none"
// if there is no such service.
func (f *Followed) Hosts(s *catalog.Snapshot, k catalog.Key) string {
	svc := s.Get(f.Origin, catalog.Ref{Key: k})
	if svc == nil {
		return "none"
	}
	var all []string
	for _, e := range svc.Endpoints {
		all = append(all, e.Host.String())
	}
	return strings.Join(all, " ")
}

// Text is a service without its version, or "nothing" for nil.
func Text(s *catalog.Service) string {
	if s == nil {
		return "nothing"
	}
	return bare(s).Text()
}

func bare(s *catalog.Service) *catalog.Service {
	c := *s
	c.Version = ""
	return &c
}

// Reach is what a client can get at by a service: the addresses of its ready endpoints,
// and each with the protocol and number of each port of its that has those, once.
func Reach(s *catalog.Service) []string {
	var all []string
	for _, e := range s.Endpoints {
		if !e.Ready {
			continue
		}
		all = append(all, e.Host.String())
		for _, p := range e.Ports {
			if p.Number > 0 && slices.Contains([]catalog.Protocol{catalog.TCP, catalog.UDP, catalog.SCTP}, p.Proto) {
				all = append(all, fmt.Sprintf("%s %s %d", e.Host, p.Proto, p.Number))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
