package isthmus

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/coredns/plugin/transfer"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

var _ transfer.Transferer = (*Isthmus)(nil)

// received is what a transfer sends, in one text.
func received(t *testing.T, p *Isthmus, zone string, serial uint32) []dns.RR {
	t.Helper()
	groups, err := p.Transfer(zone, serial)
	if err != nil {
		t.Fatal(err)
	}
	var all []dns.RR
	for rrs := range groups {
		all = append(all, rrs...)
	}
	return all
}

func texts(rrs []dns.RR) string {
	var b strings.Builder
	for _, rr := range rrs {
		text := strings.Replace(strings.Join(strings.Fields(rr.String()), " "), " 5 IN ", " ", 1)
		b.WriteString(strings.ReplaceAll(text, ".cluster.local.", ".Z") + "\n")
	}
	return b.String()
}

const small = `
service shop/web ClusterIP
	addr 10.0.0.80
	addr fd00::80
	port http TCP 80
	port "" UDP 53
	endpoint 10.1.0.1 id=a ready
		port http TCP 8080
service shop/db Headless
	endpoint 10.1.0.11 id=a ready hostname=db-0
		port sql TCP 5432
	endpoint fd00::1:11 id=b ready hostname=db-0
		port sql TCP 5432
	endpoint 10.1.0.12 id=c
		port sql TCP 5432
service shop/portless Headless
	endpoint 10.1.0.41 id=a ready
service shop/outer ExternalName
	alias www.example.org
`

const smallZone = `cluster.local. SOA ns.dns.Z hostmaster.Z 1800000000 7200 1800 86400 5
cluster.local. NS ns.dns.Z
ns.dns.Z A 192.0.2.53
dns-version.Z 28800 IN TXT "1.1.0"
db.shop.svc.Z A 10.1.0.11
db.shop.svc.Z AAAA fd00::1:11
db.shop.svc.Z SRV 0 50 5432 db-0.db.shop.svc.Z
db-0.db.shop.svc.Z A 10.1.0.11
db-0.db.shop.svc.Z AAAA fd00::1:11
_sql._tcp.db.shop.svc.Z SRV 0 50 5432 db-0.db.shop.svc.Z
outer.shop.svc.Z CNAME www.example.org.
portless.shop.svc.Z A 10.1.0.41
10-1-0-41.portless.shop.svc.Z A 10.1.0.41
web.shop.svc.Z A 10.0.0.80
web.shop.svc.Z AAAA fd00::80
web.shop.svc.Z SRV 0 25 53 web.shop.svc.Z
web.shop.svc.Z SRV 0 25 80 web.shop.svc.Z
_http._tcp.web.shop.svc.Z SRV 0 50 80 web.shop.svc.Z
cluster.local. SOA ns.dns.Z hostmaster.Z 1800000000 7200 1800 86400 5
`

const smallReverse = `in-addr.arpa. SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. 1800000000 7200 1800 86400 5
in-addr.arpa. NS ns.dns.in-addr.arpa.
ns.dns.in-addr.arpa. A 192.0.2.53
80.0.0.10.in-addr.arpa. PTR web.shop.svc.Z
1.0.1.10.in-addr.arpa. PTR 10-1-0-1.web.shop.svc.Z
11.0.1.10.in-addr.arpa. PTR db-0.db.shop.svc.Z
41.0.1.10.in-addr.arpa. PTR 10-1-0-41.portless.shop.svc.Z
in-addr.arpa. SOA ns.dns.in-addr.arpa. hostmaster.in-addr.arpa. 1800000000 7200 1800 86400 5
`

func TestTransfer(t *testing.T) {
	conf := block(t, "kubernetes")
	conf.locals = mustAddrs(t, "192.0.2.53")
	c := catalog.New(conf.policy())
	empty := handler(conf, c)
	if _, err := empty.Transfer("cluster.local.", 0); !errors.Is(err, errNotSynced) {
		t.Errorf("before the first sync: %v", err)
	}
	c.Feed("kubernetes/cluster").Replace(services(t, small))
	p := handler(conf, c)
	if _, err := p.Transfer("svc.cluster.local.", 0); err != transfer.ErrNotAuthoritative {
		t.Errorf("of what is no zone: %v", err)
	}
	const now = 1_800_000_000
	only, _, _ := strings.Cut(smallZone, "\n")
	for _, tt := range []struct {
		zone   string
		serial uint32
		want   string
	}{
		{"cluster.local.", 0, smallZone},
		{"cluster.local.", now - 1, smallZone},
		{"cluster.local.", now, only + "\n"},
		{"cluster.local.", now + 1, only + "\n"},
		{"in-addr.arpa.", 0, smallReverse},
	} {
		if diff := cmp.Diff(tt.want, texts(received(t, p, tt.zone, tt.serial))); diff != "" {
			t.Errorf("%s from %d (-want +got):\n%s", tt.zone, tt.serial, diff)
		}
	}
}

// TestTransferredIsAnswered holds that a secondary answers what we answer: each
// record is sent once and is among the answers, and every answer is sent whole.
func TestTransferredIsAnswered(t *testing.T) {
	conf := block(t, "kubernetes")
	conf.locals = mustAddrs(t, "192.0.2.53")
	p := handler(conf, synced(t, conf))
	for _, z := range conf.zones {
		all := received(t, p, z.name, 0)
		sent := map[string]bool{}
		for _, rr := range all[:len(all)-1] {
			if sent[rr.String()] {
				t.Errorf("%s was sent twice", rr)
			}
			sent[rr.String()] = true
		}
		for _, rr := range all {
			if z.reverse && rr.Header().Rrtype == dns.TypeA {
				continue // an address of the server's name in a reverse zone
			}
			m, _ := ask(t, p, rr.Header().Name, rr.Header().Rrtype)
			if !slices.ContainsFunc(m.Answer, func(x dns.RR) bool { return x.String() == rr.String() }) {
				t.Errorf("%s is not answered: %v", rr, m.Answer)
			}
			for _, x := range m.Answer {
				if x.Header().Name == rr.Header().Name && !sent[x.String()] {
					t.Errorf("%s was not sent", x)
				}
			}
		}
	}
}

// TestTransferOfServer fetches a zone from a real server, and holds that a
// secondary hears of a change.
func TestTransferOfServer(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 100)
	secondary := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		heard <- dns.OpcodeToString[r.Opcode] + " " + r.Question[0].Name
		_ = w.WriteMsg(new(dns.Msg).SetReply(r))
	})}
	go func() { _ = secondary.ActivateAndServe() }()
	defer func() { _ = secondary.Shutdown() }()

	folder := t.TempDir()
	writeManifest(t, folder, manifest)
	server, udp := serve(t, "cluster.local:0 {\n bind 127.0.0.1\n transfer {\n to "+conn.LocalAddr().String()+"\n }\n isthmus {\n manifests files "+folder+"\n }\n}\n")
	defer stopServer(t, server)
	select {
	case got := <-heard:
		if got != "NOTIFY cluster.local." {
			t.Errorf("the secondary heard %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("the secondary heard nothing")
	}
	tcp := server.Servers()[0].Addr().String()
	got := fetch(t, tcp, new(dns.Msg).SetAxfr("cluster.local."))
	if n := len(got); n != 7 || !dns.IsDuplicate(got[0], got[n-1]) || got[0].Header().Rrtype != dns.TypeSOA {
		t.Errorf("the transfer is\n%s", texts(got))
	}
	// What was read at the start may move the serial once more.
	eventually(t, "only SOA", func() string {
		got = fetch(t, tcp, new(dns.Msg).SetIxfr("cluster.local.", got[0].(*dns.SOA).Serial, "a.", "b."))
		if len(got) == 1 {
			return "only SOA"
		}
		return texts(got)
	})
	if got := dig(t, udp, "cluster.local.", dns.TypeAXFR); got != "REFUSED\n" {
		t.Errorf("AXFR by UDP is %s", got)
	}
}

func fetch(t *testing.T, server string, m *dns.Msg) []dns.RR {
	t.Helper()
	envelopes, err := new(dns.Transfer).In(m, server)
	if err != nil {
		t.Fatal(err)
	}
	var all []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		all = append(all, e.RR...)
	}
	return all
}

// deaf is a secondary that fails, or never answers.
type deaf struct {
	told chan<- time.Time
	hang <-chan struct{}
}

func (d deaf) Notify(string) error {
	d.told <- time.Now()
	if d.hang != nil {
		<-d.hang
	}
	return errors.New("no route")
}

// TestNotify holds when secondaries are told: once everything is synced, after
// each change, at most every five seconds; and that the end waits for nobody.
func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conf, err := readCorefile(t, "cluster.local {\n isthmus {\n kubernetes\n }\n}")
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		c, told := catalog.New(conf.policy()), make(chan time.Time, 100)
		p, ctx, cancel := new(views), t.Context(), context.CancelFunc(nil)
		ctx, cancel = context.WithCancel(ctx)
		p.newest.Store(newView(conf, c.Snapshot(), time.Now()))
		began := time.Now()
		go p.follow(ctx, c)
		go p.notify(ctx, deaf{told: told}, slog.New(slog.NewTextHandler(&log, nil)))
		time.Sleep(time.Minute)
		for range 20 {
			c.Feed("kubernetes/cluster").Replace(services(t, small))
			time.Sleep(time.Second)
			c.Feed("kubernetes/cluster").Replace(nil)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		cancel()
		synctest.Wait()
		close(told)
		var at []int
		for x := range told {
			at = append(at, int(x.Sub(began).Seconds()))
		}
		if diff := cmp.Diff([]int{60, 65, 70, 75, 80, 85, 90, 95, 100}, at); diff != "" {
			t.Errorf("told at (-want +got):\n%s", diff)
		}
		if n := strings.Count(log.String(), "no route"); n != 1 {
			t.Errorf("a failure was said %d times, want once:\n%s", n, &log)
		}
	})
}

func TestNotifyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told, hang := make(chan time.Time, 1), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-told; cancel() }()
		if _, ended := send(ctx, deaf{told, hang}, "cluster.local."); !ended {
			t.Error("a NOTIFY that hangs was waited for")
		}
		close(hang)
	})
}
