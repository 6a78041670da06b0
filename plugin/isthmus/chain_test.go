package isthmus

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	_ "github.com/coredns/coredns/plugin/autopath" // for the chains below
	_ "github.com/coredns/coredns/plugin/dns64"    // for the chains below
	_ "github.com/coredns/coredns/plugin/dnssec"   // for the chains below
	_ "github.com/coredns/coredns/plugin/file"     // for the chains below
	_ "github.com/coredns/coredns/plugin/header"   // for the chains below
	_ "github.com/coredns/coredns/plugin/log"      // for the chains below
	_ "github.com/coredns/coredns/plugin/metadata" // for the chains below
	_ "github.com/coredns/coredns/plugin/minimal"  // for the chains below
	_ "github.com/coredns/coredns/plugin/reload"   // for the chains below
	_ "github.com/coredns/coredns/plugin/rewrite"  // for the chains below
	_ "github.com/coredns/coredns/plugin/view"     // for the chains below
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// TestChains asks everything, by many clients at once, through isthmus behind
// each plugin of CoreDNS that has a hand in answers: what is answered stays
// right, and nothing that is published is ever modified.
func TestChains(t *testing.T) {
	log.SetOutput(io.Discard) // the plugin log, and restarts
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	folder := t.TempDir()
	zone := filepath.Join(folder, "db.root")
	if err := os.WriteFile(zone, []byte(outside), 0o644); err != nil {
		t.Fatal(err)
	}
	key := newKey(t, folder)
	bare := startChain(t, chainOf("", "", zone))
	want := bare.askAll(t, 1)
	checkBare(t, want)
	for _, tt := range []struct {
		name   string
		front  string // what stands before isthmus
		inside string // more words of its block
		judge  func(want, got *dns.Msg) string
		also   func(t *testing.T, c *chained)
	}{
		{name: "nothing", judge: allSections},
		{name: "cache, left out", front: "cache 30", judge: inAnyCase},
		{name: "cache", front: "cache 30", inside: "fallthrough", judge: inAnyCase},
		{name: "loadbalance", front: "loadbalance", judge: allSections},
		{name: "rewrite", front: "rewrite name suffix .example.test. .svc.cluster.local. answer auto\nrewrite continue ttl exact web.shop.svc.cluster.local. 77", judge: allSections, also: rewritten},
		{name: "autopath", front: "autopath @isthmus", judge: inAnyCase, also: pathTried},
		{name: "dnssec", front: "dnssec cluster.local {\nkey file " + key.file + "\n}", judge: allSections, also: key.signed},
		{name: "log", front: "log", judge: allSections},
		{name: "prometheus", front: "prometheus 127.0.0.1:0", judge: allSections},
		{name: "view", front: "metadata\nview ours {\nexpr metadata('kubernetes/client-namespace') == 'shop' && name() != 'none.'\n}", judge: allSections},
		{name: "minimal", front: "minimal", judge: answerSection},
		{name: "transfer", front: "transfer {\nto *\n}", judge: allSections, also: transferred},
		{name: "reload", front: "reload 2s 0", judge: allSections, also: reloaded},
		{name: "header", front: "header {\nresponse set ra\n}", judge: allSections},
		{name: "dns64", front: "dns64", judge: nothing},
		{name: "kubeadm's", front: "errors\nlog\nprometheus 127.0.0.1:0\ncache 30\nloadbalance\nreload", inside: "fallthrough in-addr.arpa ip6.arpa", judge: inAnyCase},
		{name: "all", front: "errors\nlog\nprometheus 127.0.0.1:0\nmetadata\nautopath @isthmus\ncache 30\nloadbalance\nminimal\nheader {\nresponse set ra\n}\ndnssec cluster.local {\nkey file " + key.file + "\n}\ntransfer {\nto *\n}",
			inside: "fallthrough", judge: inAnyCase, also: transferred},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startChain(t, chainOf(tt.front, tt.inside, zone))
			got := c.askAll(t, 4)
			for _, q := range slices.Sorted(maps.Keys(want)) {
				for _, m := range got[q] {
					if wrong := tt.judge(want[q][0], m); wrong != "" {
						t.Errorf("%s: (-bare +in the chain)\n%s", q, wrong)
						break
					}
				}
			}
			if tt.also != nil {
				tt.also(t, c)
			}
			c.compare(t, "")
		})
	}
}

// TestIntruderIsFound holds that a plugin that modifies what it is handed is
// found by the test above: records in place, and not the slices, which are the
// message's own.
func TestIntruderIsFound(t *testing.T) {
	for how, want := range map[string]string{"shuffle": "", "rename": "Name", "age": "Ttl"} {
		t.Run(how, func(t *testing.T) {
			c := startChain(t, ".:0 {\nbind 127.0.0.1\nintruder "+how+"\nfake cluster.local in-addr.arpa ip6.arpa {\nkubernetes\n}\n}\n")
			for _, name := range []string{"web.shop.svc.cluster.local.", "db.shop.svc.cluster.local."} {
				dig(t, c.addr, name, dns.TypeA)
			}
			c.stop(t) // so that who modified records is done
			c.compare(t, want)
		})
	}
}

// outside is all of the world that is not ours.
const outside = `. 60 IN SOA ns.example.org. host.example.org. 1 2 3 4 60
. 60 IN NS ns.example.org.
ns.example.org. 60 IN A 203.0.113.1
www.example.org. 60 IN A 203.0.113.9
web.example.test. 60 IN A 203.0.113.10
`

// chainOf is the Corefile of a chain that has isthmus with the fake registries.
func chainOf(front, inside, zone string) string {
	return ".:0 {\nbind 127.0.0.1\n" + front + "\nfake cluster.local in-addr.arpa ip6.arpa {\nkubernetes\npods verified\nzonal\nexternal ext.test {\nheadless\n}\n" +
		inside + "\n}\nfile " + zone + " .\n}\n"
}

// chained is a running server with isthmus in a chain.
type chained struct {
	addr   string // of UDP
	server *caddy.Instance
}

func (c *chained) tcp() string { return c.server.Servers()[0].Addr().String() }

// published is what every block isthmus of the fakes had published when its
// server started, and the server that started last. The setup of a plugin has
// nowhere else to put it.
var published struct {
	mu     sync.Mutex
	all    []moment
	server *caddy.Instance
}

type moment struct {
	view   *view
	frozen string
}

// setupFake is setup with the fake registries. It keeps what is published.
func setupFake(c *caddy.Controller) error {
	if err := setupWith(c, fakeTypes(), func(string) string { return "" }); err != nil {
		return err
	}
	server := dnsserver.GetConfig(c)
	c.OnStartup(func() error {
		p := server.Handler(name).(*Isthmus)
		makeAll(p)
		v := p.views.newest.Load()
		published.mu.Lock()
		defer published.mu.Unlock()
		published.all = append(published.all, moment{v, frozen(v)})
		return nil
	})
	return nil
}

// makeAll has every record made that is made only once somebody asks.
func makeAll(p *Isthmus) {
	v := p.views.newest.Load()
	all := shapes()
	for z, zone := range v.conf.zones {
		for range v.records(z) {
		}
		for k, e := range v.entries.All() {
			all = append(all, question{serviceName(k, zone), dns.TypeSRV})
			for _, port := range portsOf(v.read(e).svc, v.read(e).ready) {
				all = append(all, question{"_" + portName(port) + "._" + protoName(port) + "." + serviceName(k, zone), dns.TypeSRV})
			}
		}
	}
	for _, q := range all {
		lower := strings.ToLower(q.name)
		if read, ours := v.conf.zones.parse(lower); ours {
			v.answer(&read, lower, q.typ)
		}
	}
}

// keepInstance keeps the server that the plugin reload makes.
func keepInstance(e caddy.EventName, about any) error {
	published.mu.Lock()
	defer published.mu.Unlock()
	if e == caddy.InstanceStartupEvent {
		published.server = about.(*caddy.Instance)
	}
	return nil
}

// startChain starts a server; whatever is published by it is judged by compare.
func startChain(t *testing.T, corefile string) *chained {
	t.Helper()
	published.mu.Lock()
	published.all = nil
	published.mu.Unlock()
	server, addr := serve(t, corefile)
	c := &chained{addr, server}
	t.Cleanup(func() { c.stop(t) })
	return c
}

func (c *chained) stop(t *testing.T) {
	if c.server != nil {
		stopServer(t, c.server)
	}
	c.server = nil
}

// compare holds that what was published is as it was or, if changed is not "",
// that the first thing modified is a field of that name.
func (c *chained) compare(t *testing.T, changed string) {
	t.Helper()
	published.mu.Lock()
	defer published.mu.Unlock()
	if len(published.all) == 0 {
		t.Error("nothing was published")
	}
	for _, m := range published.all {
		got := firstDifference(m.frozen, frozen(m.view))
		if changed == "" && got != "" || changed != "" && !strings.Contains(got, "."+changed+" ") {
			t.Errorf("published records were modified (-before +after): %q, want a change of %q", got, changed)
		}
	}
}

// question is one to ask.
type question struct {
	name string
	typ  uint16
}

func (q question) String() string { return q.name + " " + dns.TypeToString[q.typ] }

// shapes are all shapes of names with all types, in two spellings.
func shapes() []question {
	var all []question
	for _, name := range []string{
		"Z", "svc.Z", "shop.svc.Z", "nowhere.svc.Z", "ns.dns.Z", "dns-version.Z",
		"web.shop.svc.Z", "dual.shop.svc.Z", "db.shop.svc.Z", "six.shop.svc.Z", "unready.shop.svc.Z", "none.shop.svc.Z",
		"_http._tcp.web.shop.svc.Z", "_sql._tcp.db.shop.svc.Z", "_tcp.web.shop.svc.Z", "db-0.db.shop.svc.Z", "10-1-0-12.db.shop.svc.Z",
		"inner.shop.svc.Z", "second.shop.svc.Z", "dangling.shop.svc.Z", "outer.shop.svc.Z", "ping.shop.svc.Z",
		"x.pin._zone.db.shop.svc.Z", "10-240-0-1.shop.pod.Z", "80.0.0.10.in-addr.arpa.", "11.0.1.10.in-addr.arpa.", "10.in-addr.arpa.", "9.9.9.10.in-addr.arpa.",
		"ext.test.", "shop.ext.test.", "db.shop.ext.test.", "_sql._tcp.db.shop.ext.test.", "db-0.db.shop.ext.test.", "none.shop.ext.test.",
	} {
		name = strings.Replace(name, "Z", "cluster.local.", 1)
		for _, typ := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypeCNAME, dns.TypeTXT, dns.TypeSOA, dns.TypePTR, dns.TypeANY} {
			all = append(all, question{name, typ})
		}
		all = append(all, question{strings.ToUpper(name[:3]) + name[3:], dns.TypeA}, question{strings.ToUpper(name), dns.TypeSRV})
	}
	return all
}

// askAll asks everything by so many clients at once, one of them over TCP, and
// returns all answers.
func (c *chained) askAll(t *testing.T, clients int) map[string][]*dns.Msg {
	t.Helper()
	var mu sync.Mutex
	got := map[string][]*dns.Msg{}
	var wg sync.WaitGroup
	all := shapes()
	for i := range clients {
		wg.Go(func() {
			client, addr := dns.Client{Net: "udp", Timeout: 2 * time.Second}, c.addr
			if i == 1 {
				client.Net, addr = "tcp", c.tcp()
			}
			for j := range all {
				q := all[(j+i*len(all)/clients)%len(all)]
				m, err := exchange(t.Context(), &client, addr, q, false)
				if err != nil {
					t.Errorf("%s by %s: %v", q, client.Net, err)
					return
				}
				mu.Lock()
				got[q.String()] = append(got[q.String()], m)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return got
}

// exchange asks up to three times: a datagram may be lost.
func exchange(ctx context.Context, client *dns.Client, addr string, q question, signed bool) (m *dns.Msg, err error) {
	r := new(dns.Msg).SetQuestion(q.name, q.typ).SetEdns0(4096, signed)
	for range 3 {
		if m, _, err = client.ExchangeContext(ctx, r, addr); err == nil {
			return m, nil
		}
	}
	return nil, err
}

// checkBare holds that the answers which all others are compared with are some.
func checkBare(t *testing.T, all map[string][]*dns.Msg) {
	t.Helper()
	rcodes := map[int]int{}
	for _, m := range all {
		rcodes[m[0].Rcode]++
	}
	if rcodes[dns.RcodeSuccess] < 100 || rcodes[dns.RcodeNameError] < 40 || len(rcodes) != 2 {
		t.Fatalf("rcodes %v", rcodes)
	}
	for q, want := range map[string]string{
		"web.shop.svc.cluster.local. A":   "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n",
		"db.shop.ext.test. A":             "NOERROR\ndb.shop.ext.test. A 10.1.0.11\ndb.shop.ext.test. A 10.1.0.12\n",
		"outer.shop.svc.cluster.local. A": "NOERROR\nouter.shop.svc.Z CNAME www.example.org.\nwww.example.org. 60 IN A 203.0.113.9\n",
	} {
		m := all[q][0].Copy()
		m.Extra = nil
		if diff := cmp.Diff(want, said(m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", q, diff)
		}
	}
}

// sections says what a message holds, each section sorted, without what may
// differ between two servers: TTLs, serials, EDNS.
func sections(m *dns.Msg, only ...[]dns.RR) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s aa %t tc %t\n", dns.RcodeToString[m.Rcode], m.Authoritative, m.Truncated)
	for _, section := range only {
		var lines []string
		for _, rr := range section {
			if rr.Header().Rrtype == dns.TypeOPT {
				continue
			}
			rr = dns.Copy(rr)
			rr.Header().Ttl = 0
			if s, is := rr.(*dns.SOA); is {
				s.Serial = 0
			}
			lines = append(lines, rr.String()+"\n")
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, "") + "--\n")
	}
	return b.String()
}

func allSections(want, got *dns.Msg) string {
	return cmp.Diff(sections(want, want.Answer, want.Ns, want.Extra), sections(got, got.Answer, got.Ns, got.Extra))
}

func answerSection(want, got *dns.Msg) string {
	return cmp.Diff(sections(want, want.Answer), sections(got, got.Answer))
}

// inAnyCase is for *cache*, which answers all spellings of a name by what the
// first one got, and for *autopath*, which spells the search path its own way
// and puts an alias that is there already before an answer.
func inAnyCase(want, got *dns.Msg) string {
	facts := func(m *dns.Msg) []string {
		lines := strings.Split(strings.ToLower(sections(m, m.Answer)), "\n")
		slices.Sort(lines)
		return slices.Compact(lines)
	}
	return cmp.Diff(facts(want), facts(got))
}

// nothing is for plugins whose work it is to answer something else.
func nothing(_, _ *dns.Msg) string { return "" }

// rewritten holds that names and TTLs come out as the rules say, and that those
// of others stay.
func rewritten(t *testing.T, c *chained) {
	for name, want := range map[string]string{
		"web.shop.example.test.":      "NOERROR\nweb.shop.example.test. A 10.0.0.80\n",
		"web.shop.svc.cluster.local.": "NOERROR\nweb.shop.svc.Z 77 IN A 10.0.0.80\n",
	} {
		if diff := cmp.Diff(want, dig(t, c.addr, name, dns.TypeA)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// pathTried holds that the whole search path of the client's pod is answered
// at once.
func pathTried(t *testing.T, c *chained) {
	for name, want := range map[string]string{
		"kube-dns.kube-system.shop.svc.cluster.local.": "NOERROR\nkube-dns.kube-system.shop.svc.Z CNAME kube-dns.kube-system.svc.Z\nkube-dns.kube-system.svc.Z A 10.0.0.10\n",
		"www.example.org.shop.svc.cluster.local.":      "NOERROR\nwww.example.org.shop.svc.Z 60 IN CNAME www.example.org.\nwww.example.org. 60 IN A 203.0.113.9\n",
		"web.shop.svc.cluster.local.":                  "NOERROR\nweb.shop.svc.Z A 10.0.0.80\n",
	} {
		m, err := exchange(t.Context(), new(dns.Client), c.addr, question{name, dns.TypeA}, false)
		if err != nil {
			t.Fatal(err)
		}
		m.Ns, m.Extra = nil, nil
		if diff := cmp.Diff(want, said(m)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// transferred holds that the zone can be fetched by several at once.
func transferred(t *testing.T, c *chained) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			in, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr("cluster.local."), c.tcp())
			if err != nil {
				t.Error(err)
				return
			}
			n := 0
			for e := range in {
				if e.Error != nil {
					t.Error(e.Error)
				}
				n += len(e.RR)
			}
			if n < 30 {
				t.Errorf("a zone of %d records", n)
			}
		})
	}
	wg.Wait()
}

// reloaded lets the plugin reload find another Corefile while clients ask: all
// is answered right all the time, and by the new one in the end.
func reloaded(t *testing.T, c *chained) {
	text := strings.Replace(string(c.server.Caddyfile().Body()), "zonal", "zonal\nttl 60", 1)
	caddy.SetDefaultCaddyfileLoader("test", caddy.LoaderFunc(func(string) (caddy.Input, error) { return input(text), nil }))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := dns.Client{Timeout: time.Second}
	for ctx.Err() == nil {
		m, err := exchange(ctx, &client, c.addr, question{"web.shop.svc.cluster.local.", dns.TypeA}, false)
		if err != nil {
			continue // lost on the way from one server to the other
		}
		if len(m.Answer) != 1 || m.Answer[0].(*dns.A).A.String() != "10.0.0.80" {
			t.Fatalf("while reloading: %v", m)
		}
		if m.Answer[0].Header().Ttl == 60 {
			break
		}
	}
	old := c.server
	for c.server == old && wait(ctx, nil, time.Millisecond) {
		published.mu.Lock()
		c.server = published.server
		published.mu.Unlock()
	}
	if ctx.Err() != nil {
		t.Fatal("the new Corefile was not loaded")
	}
	c.addr = c.server.Servers()[0].LocalAddr().String()
	if got := dig(t, c.addr, "web.shop.svc.cluster.local.", dns.TypeA); !strings.Contains(got, " 60 IN A 10.0.0.80") {
		t.Errorf("after a reload: %s", got)
	}
}

// zoneKey signs cluster.local.
type zoneKey struct {
	file string
	dns  *dns.DNSKEY
}

func newKey(t *testing.T, folder string) zoneKey {
	t.Helper()
	k := &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: "cluster.local.", Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := k.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, fmt.Sprintf("Kcluster.local.+%03d+%05d", k.Algorithm, k.KeyTag()))
	for suffix, text := range map[string]string{".key": k.String(), ".private": k.PrivateKeyString(private)} {
		if err := os.WriteFile(file+suffix, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return zoneKey{file, k}
}

// signed holds that who asks for signatures gets the same records with good
// ones.
func (k zoneKey) signed(t *testing.T, c *chained) {
	client := dns.Client{Net: "tcp", Timeout: 2 * time.Second}
	verified := 0
	for _, q := range shapes() {
		plain, err := exchange(t.Context(), &client, c.tcp(), q, false)
		if err != nil {
			t.Fatal(err)
		}
		m, err := exchange(t.Context(), &client, c.tcp(), q, true)
		if err != nil {
			t.Fatal(err)
		}
		if len(plain.Answer) == 0 || plain.Rcode != dns.RcodeSuccess || strings.HasSuffix(q.name, "arpa.") || strings.HasSuffix(q.name, "ARPA.") {
			continue
		}
		sigs := map[string]*dns.RRSIG{}
		sets := map[string][]dns.RR{}
		for _, rr := range m.Answer {
			if s, is := rr.(*dns.RRSIG); is {
				sigs[strings.ToLower(s.Hdr.Name)+dns.TypeToString[s.TypeCovered]] = s
				continue
			}
			id := strings.ToLower(rr.Header().Name) + dns.TypeToString[rr.Header().Rrtype]
			sets[id] = append(sets[id], rr)
		}
		for id, set := range sets {
			if !dns.IsSubDomain("cluster.local.", set[0].Header().Name) {
				continue
			}
			if sigs[id] == nil {
				t.Errorf("%s: %s has no signature", q, id)
			} else if err := sigs[id].Verify(k.dns, set); err != nil {
				t.Errorf("%s: %s: %v", q, id, err)
			}
			verified++
		}
		unsigned := slices.DeleteFunc(m.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeRRSIG })
		if diff := cmp.Diff(sections(plain, plain.Answer), sections(m, unsigned)); diff != "" {
			t.Errorf("%s (-plain +signed):\n%s", q, diff)
		}
	}
	if verified < 50 {
		t.Errorf("%d signatures, want more", verified)
	}
}

// intruder is a plugin that does what none may, or in "shuffle" what each may.
type intruder struct {
	plugin.Handler
	how string
}

func setupIntruder(c *caddy.Controller) error {
	c.NextArg()
	c.NextArg()
	how := c.Val()
	dnsserver.GetConfig(c).AddPlugin(func(next plugin.Handler) plugin.Handler { return intruder{next, how} })
	return nil
}

// Name is not that of the next plugin.
func (intruder) Name() string { return "intruder" }

// ServeDNS has the next plugin answer into the intruder's hands.
func (i intruder) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	return i.Handler.ServeDNS(ctx, intruderWriter{w, i.how}, r)
}

type intruderWriter struct {
	dns.ResponseWriter
	how string
}

// WriteMsg does what the intruder is there for.
func (w intruderWriter) WriteMsg(m *dns.Msg) error {
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			switch w.how {
			case "rename":
				rr.Header().Name = strings.ToUpper(rr.Header().Name)
			case "age":
				rr.Header().Ttl--
			}
		}
		if w.how == "shuffle" {
			slices.Reverse(section)
			_ = append(section, new(dns.OPT))
			for i := range section {
				section[i] = dns.Copy(section[i])
			}
		}
	}
	return w.ResponseWriter.WriteMsg(m)
}
