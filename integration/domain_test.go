package integration

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// TestDomain asks a real Consul's own DNS and isthmus, which watches that
// Consul with its option domain, the same questions. Both say the same but for
// what ownDifferences lists, and each of those shows.
func TestDomain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	w := &world{bin: t.TempDir()}
	w.build(ctx, t, "coredns")
	theirs, consul := startNamedConsul(ctx, t)
	registerOwn(t, consul.URL())
	ours := startDomain(ctx, t, w, consul.URL())
	compareOwn(ctx, t, theirs, ours)

	// What changes in Consul changes here: an instance fails, a node moves.
	put(t, consul.URL()+"/v1/catalog/register", `{"Node":"n1","Address":"10.20.1.9","SkipNodeUpdate":false}`)
	put(t, consul.URL()+"/v1/catalog/register", `{"Node":"n2","Address":"10.20.1.2","Check":{"Node":"n2","CheckID":"own","Name":"own","ServiceID":"api-2","Status":"critical"}}`)
	for deadline := time.Now().Add(30 * time.Second); ; {
		a, b := ownAnswer(ctx, t, ours, ownQuestion{name: "n1.node.consul.", typ: mdns.TypeA}), ownAnswer(ctx, t, ours, ownQuestion{name: "v2.api.service.consul.", typ: mdns.TypeA})
		if strings.Contains(a, "10.20.1.9") && !strings.Contains(b, "10.20.0.2") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a change is not seen: %s, %s", a, b)
		}
		pause(ctx)
	}
	compareOwn(ctx, t, theirs, ours)
}

// compareOwn asks both all questions.
func compareOwn(ctx context.Context, t *testing.T, theirs, ours dnsAt) {
	t.Helper()
	shown := map[string]int{}
	asked := 0
	for _, q := range ownQuestions() {
		consul, here := ownAnswer(ctx, t, theirs, q), ownAnswer(ctx, t, ours, q)
		asked++
		if consul == here {
			continue
		}
		i := slices.IndexFunc(ownDifferences, func(d ownDifference) bool { return d.is(q, consul, here) })
		if i < 0 {
			t.Errorf("%s %s\nconsul %s\nours   %s", q.name, mdns.TypeToString[q.typ], consul, here)
			continue
		}
		shown[ownDifferences[i].what]++
	}
	for _, d := range ownDifferences {
		if shown[d.what] == 0 {
			t.Errorf("the difference %q does not show", d.what)
		}
	}
	t.Logf("%d answers compared; differences: %v", asked, shown)
}

// ownDifference is one decision, as the plugin's manual lists it.
type ownDifference struct {
	what string
	is   func(q ownQuestion, consul, ours string) bool
}

var ownDifferences = []ownDifference{
	{"SOA and NS records stand at the zone's own name only, and name this server", func(q ownQuestion, consul, ours string) bool {
		return (q.typ == mdns.TypeSOA || q.typ == mdns.TypeNS) && (q.name == "consul." || strings.HasSuffix(ours, " soa") || strings.Contains(ours, " cname "))
	}},
	{"names between others exist without records", func(q ownQuestion, consul, ours string) bool {
		return q.between && consul == "NXDOMAIN soa" && ours == "NOERROR soa"
	}},
	{"a question for the text of a service gets none of its addresses", func(q ownQuestion, consul, ours string) bool {
		return q.typ == mdns.TypeTXT && ours == "NOERROR soa" && (strings.Contains(consul, " a ") || strings.Contains(consul, " aaaa "))
	}},
	{"what a node does not have is denied with an SOA record, and one that is not there for every type", func(q ownQuestion, consul, ours string) bool {
		return q.node && consul == "NOERROR" && strings.HasSuffix(ours, " soa")
	}},
	{"a node's name that stands for another does so for every type", func(q ownQuestion, consul, ours string) bool {
		return strings.Contains(q.name, "n3.node.") && strings.Contains(ours, " cname host.example.net.")
	}},
	{"an address is told for its own type only", func(q ownQuestion, consul, ours string) bool {
		return q.addr && ours == "NOERROR soa" && strings.HasPrefix(consul, "NOERROR")
	}},
	{"RFC 2782 names without \"service\" exist for every type", func(q ownQuestion, consul, ours string) bool {
		return q.short && q.typ != mdns.TypeSRV && consul == "NXDOMAIN soa" && strings.HasPrefix(ours, "NOERROR")
	}},
}

// ownQuestion is one question, and what is odd about its name.
type ownQuestion struct {
	name                       string
	typ                        uint16
	between, node, addr, short bool
}

var ownTypes = []uint16{mdns.TypeA, mdns.TypeAAAA, mdns.TypeSRV, mdns.TypeTXT, mdns.TypeCNAME, mdns.TypeMX, mdns.TypeNS, mdns.TypeSOA, mdns.TypeHTTPS}

// ownQuestions are names of every form with every type.
func ownQuestions() []ownQuestion {
	var names []ownQuestion
	for _, where := range []string{"", "dc1.", "dc1.dc.", "dc2.", "dc2.dc.", "x.peer.", "a.b.c.", "admin.port.", "none.port.", "admin.port.dc1.dc.", "dc1.dc.admin.port."} {
		local := where == "" || where == "dc1." || where == "dc1.dc."
		for _, s := range []string{"api", "v6", "web", "saas", "dead", "nothing", "Web-UI", "mirror", "proxy", "multi", "consul", "mixed"} {
			for _, left := range []string{s, "v1." + s, "v2." + s, "blue.green." + s, "none." + s, "_" + s + "._tcp", "_" + s + "._v1", "_" + s + "._none"} {
				names = append(names, ownQuestion{name: left + ".service." + where})
				if strings.HasPrefix(left, "_") {
					names = append(names, ownQuestion{name: left + "." + where, short: true})
				}
			}
		}
		for _, n := range []string{"n1", "N2", "n3", "rack.n4", "server", "nothing"} {
			names = append(names, ownQuestion{name: n + ".node." + where, node: true})
		}
		for _, form := range []string{"service.", "node.", "addr."} {
			names = append(names, ownQuestion{name: form + where, between: local || form == "addr." || strings.Contains(where, "port") && !strings.Contains(where, "dc2")})
		}
		for _, a := range []string{"0a140001", "fd000000000000000000000000000020", "0a1400", "zz140001", "x.0a140001"} {
			names = append(names, ownQuestion{name: a + ".addr." + where, addr: true})
		}
		names = append(names, ownQuestion{name: where, between: local}, ownQuestion{name: "x." + where}, ownQuestion{name: "_tcp.service." + where, between: true})
	}
	var all []ownQuestion
	for _, n := range names {
		for _, typ := range ownTypes {
			q := n
			q.name, q.typ = n.name+"consul.", typ
			all = append(all, q)
		}
	}
	for _, a := range []string{"1.1.20.10", "9.1.20.10", "2.1.20.10", "1.0.20.10", "3.0.20.10", "1.0.30.10", "9.9.20.10", "5.0.20.10"} {
		all = append(all, ownQuestion{name: a + ".in-addr.arpa.", typ: mdns.TypePTR})
	}
	return all
}

// ownAnswer asks and returns the answer as text, in which no order, case,
// lifetime or contents of an SOA record counts, nor what nodes say of
// themselves beside an answer.
func ownAnswer(ctx context.Context, t *testing.T, at dnsAt, q ownQuestion) string {
	t.Helper()
	m := new(mdns.Msg)
	m.SetQuestion(q.name, q.typ)
	client := mdns.Client{Timeout: 10 * time.Second, Net: "tcp"} // Consul tells three addresses over UDP
	got, _, err := client.ExchangeContext(ctx, m, string(at))
	if err != nil {
		t.Fatalf("%s: %s: %v", at, q.name, err)
	}
	if !got.Authoritative || got.Rcode == mdns.RcodeServerFailure {
		t.Fatalf("%s: %s", at, got)
	}
	var lines []string
	for i, section := range [][]mdns.RR{got.Answer, got.Ns, got.Extra} {
		for _, rr := range section {
			text := strings.ToLower(rr.Header().Name + " " + mdns.TypeToString[rr.Header().Rrtype] + " " + strings.TrimPrefix(rr.String(), rr.Header().String()))
			switch {
			case i == 1:
				text = "soa"
			case i == 2 && rr.Header().Rrtype == mdns.TypeTXT:
				continue
			case i == 2:
				text = "add " + text
			}
			lines = append(lines, text)
		}
	}
	slices.Sort(lines)
	return strings.Join(append([]string{mdns.RcodeToString[got.Rcode]}, slices.Compact(lines)...), " ")
}

// startNamedConsul starts a Consul that answers DNS. Its server has an address
// that others could reach, as in real life; nothing is sent there.
func startNamedConsul(ctx context.Context, t *testing.T) (dnsAt, *servers.Consul) {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	consul, err := servers.StartConsul(ctx, servers.Options{Log: progress, Args: []string{"-dns-port", strconv.Itoa(port), "-advertise", "10.20.1.7"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, "consul", consul.Stop) })
	return dnsAt(net.JoinHostPort("127.0.0.1", strconv.Itoa(port))), consul
}

// startDomain starts CoreDNS and waits until it knows the Consul.
func startDomain(ctx context.Context, t *testing.T, w *world, consul string) dnsAt {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(ctx, filepath.Join(w.bin, "coredns"), "-quiet", "-conf", "testdata/domain/Corefile")
	server.Env = append(os.Environ(), "CONSUL="+consul, fmt.Sprintf("DNSPORT=%d", port))
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	at := dnsAt(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	m := new(mdns.Msg)
	m.SetQuestion("api.service.consul.", mdns.TypeA)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); pause(ctx) {
		client := mdns.Client{Timeout: time.Second}
		if got, _, err := client.ExchangeContext(ctx, m, string(at)); err == nil && len(got.Answer) > 0 {
			return at
		}
	}
	t.Fatal("isthmus does not know the services of Consul")
	return ""
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
}

func put(t *testing.T, url, body string) {
	t.Helper()
	if _, err := request(http.MethodPut, url, "", "", []byte(body)); err != nil {
		t.Fatal(err)
	}
}

// registerOwn registers what the questions are about: one record a line.
func registerOwn(t *testing.T, url string) {
	t.Helper()
	text, err := os.ReadFile("testdata/domain/records")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		path, body, ok := strings.Cut(strings.TrimSpace(line), " ")
		if ok && path != "#" {
			put(t, url+path, body)
		}
	}
}
