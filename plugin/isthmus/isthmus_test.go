package isthmus

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// world is what most tests answer from: the namespaces shop, empty and
// kube-system of a cluster, and what a Consul gives to the namespace consul.
const world = `
service shop/web ClusterIP
	addr 10.0.0.80
	port http TCP 80
	port https TCP 443
	port dns UDP 53
	endpoint 10.1.0.1 id=a ready
		port http TCP 8080
	endpoint 10.1.0.2 id=b
		port http TCP 8080
service shop/dual ClusterIP ttl=30s
	addr 10.0.0.81
	addr fd00::81
	port "" TCP 9000
service shop/idle ClusterIP
	addr 10.0.0.82
	port http TCP 80
service shop/db Headless
	port sql TCP 5432
	endpoint 10.1.0.11 id=a ready hostname=db-0 pod=db-x
		port sql TCP 5432
	endpoint fd00::1:11 id=b ready hostname=db-0
		port sql TCP 5432
	endpoint 10.1.0.12 id=c ready pod=db-y
		port sql TCP 5432
		port metrics TCP 9100
	endpoint 10.1.0.13 id=d serving terminating hostname=db-9
		port sql TCP 5432
service shop/six Headless
	endpoint fd00::1:21 id=a ready
		port "" TCP 80
service shop/unready Headless
	endpoint 10.1.0.31 id=a
		port sql TCP 5432
service shop/portless Headless
	endpoint 10.1.0.41 id=a ready
service shop/inner ExternalName
	alias web.shop.svc.cluster.local
service shop/second ExternalName
	alias inner.shop.svc.cluster.local
service shop/dangling ExternalName
	alias nothing.shop.svc.cluster.local
service shop/outer ExternalName
	alias www.example.org
service shop/lost ExternalName
	alias lost.example.org
service shop/number ExternalName
	alias 10.9.9.9
service shop/ping ExternalName
	alias pong.shop.svc.cluster.local
service shop/pong ExternalName
	alias ping.shop.svc.cluster.local
service kube-system/kube-dns ClusterIP
	addr 10.0.0.10
	port dns UDP 53
	endpoint 192.0.2.53 id=a ready
		port dns UDP 53
`

const consulWorld = `
service consul/api Headless
	endpoint 10.20.0.1 id=a ready weight=1
		port "" TCP 8000
	endpoint 10.20.0.2 id=b ready weight=3
		port "" TCP 8000
service consul/ranked Headless
	endpoint 10.20.0.4 id=a ready priority=1 weight=1
		port "" TCP 8000
	endpoint 10.20.0.5 id=b ready priority=1 weight=1
		port "" TCP 8000
	endpoint 10.20.0.6 id=c ready priority=2
		port "" TCP 8000
service consul/saas Headless
	endpoint saas.example.org id=a ready
		port "" TCP 443
service shop/stolen Headless
	endpoint 10.66.6.6 id=a ready
`

// block parses the inside of a block isthmus for the zones of a typical
// cluster; its registries are fakes.
func block(t testing.TB, inside string) *config {
	t.Helper()
	text := "isthmus cluster.local in-addr.arpa ip6.arpa {\n" + inside + "\n}\n"
	all, err := stanza.Parse("Corefile", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := parse(all[0], nil, fakeTypes(), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// synced returns a catalog of the world above for conf.
func synced(t testing.TB, conf *config) *catalog.Catalog {
	t.Helper()
	c := catalog.New(conf.policy())
	for _, r := range conf.registries {
		r.(interface {
			report(testing.TB, *catalog.Feed)
		}).report(t, c.Feed(r.Origin()))
	}
	return c
}

// handler returns the plugin answering from c.
func handler(conf *config, c *catalog.Catalog) *Isthmus {
	p := &Isthmus{conf: conf, views: new(views), up: fakeUpstream{}, Next: next{}}
	p.views.newest.Store(newView(conf, c.Snapshot(), start))
	return p
}

var start = time.Unix(1_800_000_000, 0)

// ask asks p one question and returns what was written, or the rcode of what
// was not.
func ask(t testing.TB, p plugin.Handler, qname string, qtype uint16) (*dns.Msg, int) {
	t.Helper()
	r := new(dns.Msg)
	r.SetQuestion(qname, qtype)
	w := dnstest.NewRecorder(&test.ResponseWriter{})
	rcode, err := p.ServeDNS(context.Background(), w, r)
	if err != nil {
		t.Fatalf("ServeDNS(%s %s): %v", qname, dns.TypeToString[qtype], err)
	}
	if w.Msg == nil {
		return nil, rcode
	}
	return w.Msg, w.Msg.Rcode
}

// next is a plugin that says REFUSED without writing.
type next struct{}

func (next) Name() string { return "next" }
func (next) ServeDNS(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
	return dns.RcodeRefused, nil
}

// fakeUpstream knows www.example.org and saas.example.org.
type fakeUpstream struct{}

func (fakeUpstream) Lookup(_ context.Context, _ request.Request, name string, typ uint16) (*dns.Msg, error) {
	if name == "lost.example.org." {
		return nil, errors.New("no answer")
	}
	m := new(dns.Msg)
	if typ == dns.TypeA {
		m.Answer = []dns.RR{test.A(name + " 60 IN A 203.0.113.9")}
	}
	m.Truncated = true
	return m, nil
}

// fakeTypes are registries that hold the world above. A fake takes any words.
func fakeTypes() []registry.Type {
	var all []registry.Type
	for _, name := range []string{"kubernetes", "consul", "etcd", "manifests"} {
		all = append(all, registry.Type{Name: name, Parse: func(s stanza.Stanza, _ func(string) string) (registry.Config, error) {
			return newFake(s)
		}})
	}
	return all
}

type fakeConfig struct {
	origin catalog.Origin
	stanza stanza.Stanza
}

func newFake(s stanza.Stanza) (registry.Config, error) {
	name := map[string]string{"kubernetes": "cluster", "consul": "dc1", "etcd": "edge", "manifests": "files"}[s.Name()]
	if args := s.Args(); len(args) > 0 {
		name = args[0]
	}
	for _, line := range s.Block {
		if line.Name() == "colour" {
			return nil, line.Errorf("unknown word %q", line.Name())
		}
	}
	return fakeConfig{catalog.Origin(s.Name() + "/" + name), s}, nil
}

func (f fakeConfig) Origin() catalog.Origin  { return f.origin }
func (f fakeConfig) Naming() registry.Naming { return registry.Naming{} }
func (f fakeConfig) String() string          { return string(f.origin) }

func (f fakeConfig) Policy() catalog.OriginPolicy {
	speaks := f.origin.Type() == "kubernetes" || f.origin.Type() == "manifests"
	p := catalog.OriginPolicy{Origin: f.origin, Speaks: speaks}
	if !speaks {
		p.Given = []string{f.origin.Type()}
	}
	return p
}

func (f fakeConfig) Reader(*slog.Logger) (registry.Registry, error) {
	for _, line := range f.stanza.Block {
		if line.Name() == "unreadable" {
			return nil, errors.New("read file: no such file")
		}
	}
	return &fakeRegistry{f}, nil
}

func (f fakeConfig) Writer(string, *slog.Logger) (registry.Writer, error) {
	return nil, errors.ErrUnsupported
}

// report reports the world of f's type.
func (f fakeConfig) report(t testing.TB, feed *catalog.Feed) {
	text := map[string]string{"kubernetes": world, "consul": consulWorld}[f.origin.Type()]
	all, err := catalog.ParseText(text)
	if err != nil {
		if t != nil {
			t.Helper()
		}
		panic(err)
	}
	if f.origin.Type() == "kubernetes" {
		feed.ReplaceNamespaces([]string{"shop", "empty", "kube-system"})
		if slices.ContainsFunc(f.stanza.Block, func(s stanza.Stanza) bool { return s.Name() == "pods" }) {
			feed.ReplacePods(pods())
		}
	}
	feed.Replace(all)
}

// fakeRegistry reports its world once; a consul is never reachable.
type fakeRegistry struct{ conf fakeConfig }

func (r *fakeRegistry) Watch(ctx context.Context, feed *catalog.Feed) error {
	if r.conf.origin.Type() == "consul" {
		return errors.New("connection refused")
	}
	r.conf.report(nil, feed)
	<-ctx.Done()
	return ctx.Err()
}

func (r *fakeRegistry) Close() error { return nil }

func mustAddrs(t testing.TB, text string) []netip.Addr {
	t.Helper()
	var all []netip.Addr
	for _, s := range strings.Fields(text) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

func mustFake(words ...string) registry.Config {
	c, err := newFake(stanza.Stanza{Words: words})
	if err != nil {
		panic(err)
	}
	return c
}

func sameAddr(a, b netip.Addr) bool { return a == b }
