package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"isthmus": main})
}

// TestScripts runs the real main. $DNS answers a few names, $DEAD is an address
// where nothing listens.
func TestScripts(t *testing.T) {
	server := answers(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("DNS", server)
			env.Setenv("DEAD", dead(t))
			env.Setenv("FREE", dead(t))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"expand": expand, "ready": ready},
	})
}

// expand FILE replaces variables in a file.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(file, []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
}

// ready STATUS URL waits until the URL answers with the status.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for got := ""; got != args[0]; got = status(ctx, args[1]) {
		select {
		case <-ctx.Done():
			ts.Fatalf("%s answers %q, want %s", args[1], got, args[0])
		case <-tick.C:
		}
	}
}

func status(ctx context.Context, url string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	return strconv.Itoa(resp.StatusCode)
}

// dead returns an address where nothing listens.
func dead(t *testing.T) string {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// answers starts a DNS server on one port of UDP and TCP and returns its address.
func answers(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: dns.HandlerFunc(answer)}, {PacketConn: pc, Handler: dns.HandlerFunc(answer)}} {
		up := make(chan struct{})
		s.NotifyStartedFunc = func() { close(up) }
		done := make(chan error, 1)
		go func() { done <- s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			<-done
		})
	}
	return l.Addr().String()
}

func answer(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	m.Authoritative = true
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	q := r.Question[0]
	records := map[string][]string{
		"web.example.org. A":          {"web.example.org. 5 IN A 192.0.2.1", "web.example.org. 5 IN A 192.0.2.2"},
		"web.example.org. AAAA":       {},
		"big.example.org. A":          {"big.example.org. 5 IN A 192.0.2.9"},
		"1.2.0.192.in-addr.arpa. PTR": {"1.2.0.192.in-addr.arpa. 5 IN PTR web.example.org."},
	}
	answer, known := records[q.Name+" "+dns.TypeToString[q.Qtype]]
	switch {
	case q.Name == "broken.example.org.":
		m.Rcode = dns.RcodeServerFailure
	case !known:
		m.Rcode = dns.RcodeNameError
	case q.Name == "big.example.org." && udp:
		m.Truncated = true
		answer = nil
	}
	for _, text := range answer {
		rr, err := dns.NewRR(text)
		if err != nil {
			panic(err)
		}
		m.Answer = append(m.Answer, rr)
	}
	if len(m.Answer) == 0 && !m.Truncated {
		soa, err := dns.NewRR("example.org. 5 IN SOA ns.example.org. host.example.org. 1 2 3 4 5")
		if err != nil {
			panic(err)
		}
		m.Ns = append(m.Ns, soa)
	}
	_ = w.WriteMsg(m)
}
