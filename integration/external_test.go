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

// TestExternal asks CoreDNS's *kubernetes* with *k8s_external*, and isthmus with
// its option external, the same questions about one API server. Both say the
// same but for what outerDifferences lists, and each of those shows.
func TestExternal(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
	defer cancel()
	w := &world{bin: t.TempDir()}
	w.build(ctx, t, "coredns")
	kube, err := servers.StartKubernetes(ctx, servers.KubernetesOptions{Options: servers.Options{Log: progress}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopped(t, "kube-apiserver", kube.Stop) })
	exposeServices(t, kube)
	shown := map[string]int{}
	asked := 0
	for _, pair := range startPairs(ctx, t, w, kube) {
		for _, q := range outerQuestions() {
			stock, ours := pair.stock.ask(ctx, t, q), pair.ours.ask(ctx, t, q)
			asked++
			if stock == ours {
				continue
			}
			i := slices.IndexFunc(outerDifferences, func(d outerDifference) bool { return d.is(q, stock, ours) })
			if i < 0 {
				t.Errorf("headless %v: %s %s\nstock %s\nours  %s", pair.headless, q.name, mdns.TypeToString[q.typ], stock, ours)
				continue
			}
			shown[outerDifferences[i].what]++
		}
	}
	for _, d := range outerDifferences {
		if shown[d.what] == 0 {
			t.Errorf("the difference %q does not show", d.what)
		}
	}
	t.Logf("%d answers compared; differences: %v", asked, shown)
}

// outerDifference is one decision, as the plugin's manual lists it.
type outerDifference struct {
	what string
	is   func(q outerQuestion, stock, ours string) bool
}

var outerDifferences = []outerDifference{
	{"labels below a service with external addresses do not exist", func(q outerQuestion, stock, ours string) bool {
		return q.below && q.fronted && strings.HasPrefix(stock, "NOERROR") && strings.HasPrefix(ours, "NXDOMAIN auth soa")
	}},
	{"names between others exist without records", func(q outerQuestion, stock, ours string) bool {
		return (q.between || q.reverse) && strings.HasPrefix(ours, "NOERROR auth soa")
	}},
	{"a service with external names only is an alias for every type", func(q outerQuestion, stock, ours string) bool {
		return q.named && !q.port && strings.HasPrefix(ours, "NOERROR "+q.lower()+" cname lb.example.net.") && strings.HasPrefix(stock, "NOERROR")
	}},
	{"names of ports are no alias", func(q outerQuestion, stock, ours string) bool {
		return q.named && q.port && q.typ != mdns.TypeSRV && strings.HasPrefix(ours, "NOERROR auth soa") && strings.Contains(stock, " cname ")
	}},
	{"a CNAME record never stands beside others", func(q outerQuestion, stock, ours string) bool {
		return q.mixed && strings.Contains(stock, " cname ") && !strings.Contains(ours, " cname ") && strings.HasPrefix(ours, "NOERROR")
	}},
	{"the first of several names counts", func(q outerQuestion, stock, ours string) bool {
		return q.named && strings.Count(stock, " cname ") == 2 && strings.Count(ours, " cname ") == 1 && without(stock, q.lower()+" cname www.example.net. ") == ours
	}},
	{"SRV records bring no addresses of names outside of the zone", func(q outerQuestion, stock, ours string) bool {
		return q.typ == mdns.TypeSRV && strings.Contains(stock, "add lb.example.net. ") && without(stock, "add lb.example.net. ") == ours
	}},
}

// without leaves out the records that begin so.
func without(answer, prefix string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(answer, "\n"), func(rr string) bool { return strings.HasPrefix(rr, prefix) }), "\n")
}

// outerQuestion is one question, and what is odd about its name.
type outerQuestion struct {
	name    string
	typ     uint16
	tcp     bool
	fronted bool // the service has external addresses or names
	below   bool // a label that no endpoint has
	between bool // the parent of other names
	reverse bool // no question for PTR of a whole address
	named   bool // the service is known by names
	mixed   bool // by addresses, too
	port    bool // of a port
}

func (q outerQuestion) lower() string { return strings.ToLower(q.name) }

var outerTypes = []uint16{mdns.TypeA, mdns.TypeAAAA, mdns.TypeSRV, mdns.TypeCNAME, mdns.TypeTXT, mdns.TypeMX, mdns.TypeNS, mdns.TypeSOA, mdns.TypePTR, mdns.TypeHTTPS}

// outerQuestions are all shapes of names with all types, over UDP and TCP, in
// lower and in mixed case.
func outerQuestions() []outerQuestion {
	var names []outerQuestion
	for _, n := range []string{"", "dns.", "ns1.dns.", "ns2.dns.", "hostmaster.dns.", "a.ns1.dns.", "ext.", "default.", "nothing.", "svc.", "x.nothing.", "x.ext.", "db.nothing.", "a.b.c.d.e.f.ext.", "web.ext.svc."} {
		names = append(names, outerQuestion{name: n + "example.org."})
	}
	names = append(names, outerQuestion{name: "kubernetes.default.example.org.", between: true})
	for _, s := range []string{"web", "lb", "named", "pair", "mixed", "plain", "db", "fronted", "alias", "unready", "unnamed"} {
		names = append(names, serviceQuestions(s)...)
	}
	for _, n := range []string{"80.113.0.203", "81.113.0.203", "1.113.0.203", "113.0.203", "203", "x.203"} {
		names = append(names, outerQuestion{name: n + ".in-addr.arpa.", reverse: true})
	}
	var all []outerQuestion
	for _, n := range names {
		for _, typ := range outerTypes {
			q := n
			q.typ = typ
			q.reverse = n.reverse && typ != mdns.TypePTR || n.reverse && strings.Count(n.name, ".") < 6
			all = append(all, q)
			q.tcp, q.name = true, strings.ToUpper(n.name[:1])+n.name[1:]
			all = append(all, q)
		}
	}
	return all
}

func serviceQuestions(service string) []outerQuestion {
	base := outerQuestion{name: service + ".ext.example.org.", named: service == "named" || service == "pair", mixed: service == "mixed",
		fronted: slices.Contains([]string{"web", "lb", "named", "pair", "mixed", "fronted", "unnamed"}, service)}
	at := func(labels string) outerQuestion {
		q := base
		q.name = labels + "." + q.name
		return q
	}
	self := base
	self.between = service == "plain"
	all := []outerQuestion{self}
	for _, host := range []string{"x", "db-0", "10-1-0-11", "10-1-0-5", "10-1-0-13", "1-2-3-4"} {
		q := at(host)
		q.below = true
		all = append(all, q)
	}
	for _, proto := range []string{"_tcp", "_udp", "_sctp", "tcp", "_"} {
		q := at(proto)
		q.between, q.below = true, true
		all = append(all, q)
		for _, port := range []string{"_http", "http", "_https", "_dns", "_sql", "_metrics", "_smtp", "_"} {
			q := at(port + "." + proto)
			q.port = true
			all = append(all, q)
		}
	}
	return append(all, at("x._http._tcp"), at("a.b.c.d.e"))
}

// dnsAt is a DNS server.
type dnsAt string

// ask returns the answer as text, in which no order, no case and no serial
// counts.
func (at dnsAt) ask(ctx context.Context, t *testing.T, q outerQuestion) string {
	t.Helper()
	m := new(mdns.Msg)
	m.SetQuestion(q.name, q.typ)
	client := mdns.Client{Timeout: 10 * time.Second}
	if q.tcp {
		client.Net = "tcp"
	}
	got, _, err := client.ExchangeContext(ctx, m, string(at))
	if err != nil {
		t.Fatalf("%s: %s: %v", at, q.name, err)
	}
	if !got.Authoritative || got.Truncated || got.Rcode == mdns.RcodeServerFailure {
		t.Fatalf("%s: %s: %s", at, q.name, got)
	}
	text := []string{}
	for i, section := range [][]mdns.RR{got.Answer, got.Ns, got.Extra} {
		var lines []string
		for _, rr := range section {
			if soa, is := rr.(*mdns.SOA); is {
				soa.Serial = 0
			}
			line := strings.ToLower(strings.Join(strings.Fields(strings.Replace(rr.String(), "\tIN\t", "\t", 1)), " "))
			name, rest, _ := strings.Cut(line, " ")
			ttl, rest, _ := strings.Cut(rest, " ")
			switch {
			case i == 1 && strings.HasPrefix(rest, "soa"):
				line = "auth soa " + name + " " + rest + " ttl " + ttl
			default:
				line = [...]string{"", "auth ", "add "}[i] + name + " " + rest + " ttl " + ttl
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		text = append(text, slices.Compact(lines)...)
	}
	return mdns.RcodeToString[got.Rcode] + " " + strings.Join(text, "\n")
}

// pair are a stock server and ours, with the same options.
type pair struct {
	headless    bool
	stock, ours dnsAt
}

// startPairs starts one process with all servers and waits until each answers.
func startPairs(ctx context.Context, t *testing.T, w *world, kube *servers.Kubernetes) []pair {
	t.Helper()
	server := exec.CommandContext(ctx, filepath.Join(w.bin, "coredns"), "-quiet", "-conf", "testdata/external/Corefile")
	server.Env = append(os.Environ(), "KUBECONFIG="+kube.Kubeconfig())
	at := map[string]dnsAt{}
	for _, name := range []string{"STOCK", "OURS", "STOCK_HEADLESS", "OURS_HEADLESS"} {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		server.Env = append(server.Env, fmt.Sprintf("%s=%d", name, port))
		at[name] = dnsAt(net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	for _, a := range at {
		awaitLast(ctx, t, a)
	}
	return []pair{{false, at["STOCK"], at["OURS"]}, {true, at["STOCK_HEADLESS"], at["OURS_HEADLESS"]}}
}

// awaitLast waits until the server answers for the service made last.
func awaitLast(ctx context.Context, t *testing.T, at dnsAt) {
	t.Helper()
	m := new(mdns.Msg)
	m.SetQuestion("last.ext.example.org.", mdns.TypeA)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		client := mdns.Client{Timeout: time.Second}
		if got, _, err := client.ExchangeContext(ctx, m, string(at)); err == nil && len(got.Answer) == 1 {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not know the last service", at)
}

// exposeServices makes services of every kind that external zones tell apart.
func exposeServices(t *testing.T, kube *servers.Kubernetes) {
	t.Helper()
	applyFile(t, kube, "objects.yaml")
	for service, ingress := range map[string]string{
		"lb":    `[{"ip":"203.0.113.81"},{"ip":"2001:db8::81"}]`,
		"named": `[{"hostname":"lb.example.net"}]`,
		"pair":  `[{"hostname":"lb.example.net"},{"hostname":"www.example.net"}]`,
		"mixed": `[{"hostname":"lb.example.net"}]`,
	} {
		url := kube.URL() + "/api/v1/namespaces/ext/services/" + service + "/status"
		body := `{"status":{"loadBalancer":{"ingress":` + ingress + `}}}`
		if _, err := request(http.MethodPatch, url, kube.Token(), "application/merge-patch+json", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	applyFile(t, kube, "last.yaml")
}

func applyFile(t *testing.T, kube *servers.Kubernetes, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "external", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := kubeApply(kube.URL(), kube.Token(), string(text), ""); err != nil {
		t.Fatal(err)
	}
}
