package main

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// serve answers over network with what answer makes of each query.
func serve(t *testing.T, network string, answer dns.HandlerFunc) (addr string) {
	t.Helper()
	ready := make(chan struct{})
	s := &dns.Server{Net: network, Addr: "127.0.0.1:0", Handler: answer, MaxTCPQueries: -1, NotifyStartedFunc: func() { close(ready) }}
	done := make(chan error, 1)
	go func() { done <- s.ListenAndServe() }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
		<-done
	})
	if network == udp {
		return s.PacketConn.LocalAddr().String()
	}
	return s.Listener.Addr().(*net.TCPAddr).String()
}

// right gives one address to each question.
func right(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg).SetReply(r)
	m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(10, 0, 0, 1)}}
	_ = w.WriteMsg(m)
}

func someQueries(t *testing.T, rcode, answers int) []query {
	t.Helper()
	var all []query
	for _, name := range []string{"a.example.", "b.example.", "c.example."} {
		q, err := newQuery(name, dns.TypeA, 0, rcode, answers)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, q)
	}
	return all
}

func TestTraffic(t *testing.T) {
	for _, network := range []string{udp, tcp} {
		t.Run(network, func(t *testing.T) {
			load := traffic{network: network, addr: serve(t, network, right), queries: someQueries(t, dns.RcodeSuccess, 1)}
			got, err := load.run(t.Context(), 50*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if got.answers < sockets*window || len(got.latencies) != got.answers || got.elapsed < 50*time.Millisecond {
				t.Errorf("run() = %d answers, %d latencies, %v", got.answers, len(got.latencies), got.elapsed)
			}
		})
	}
}

// Whatever is wrong with an answer ends the run.
func TestTrafficRefuses(t *testing.T) {
	change := func(f func(*dns.Msg)) dns.HandlerFunc {
		return func(w dns.ResponseWriter, r *dns.Msg) {
			m := new(dns.Msg).SetReply(r)
			f(m)
			_ = w.WriteMsg(m)
		}
	}
	for _, tt := range []struct {
		name   string
		answer dns.HandlerFunc
		want   string
	}{
		{"rcode", change(func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }), "rcode 2, want 0"},
		{"count", change(func(*dns.Msg) {}), "0 answers, want 1"},
		{"truncated", change(func(m *dns.Msg) { m.Truncated = true }), "truncated true, want false"},
		{"id", change(func(m *dns.Msg) { m.Id ^= 0x100 }), "nothing outstanding has"},
		{"no answer", change(func(m *dns.Msg) { m.Response = false }), "is no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			load := traffic{network: udp, addr: serve(t, udp, tt.answer), queries: someQueries(t, dns.RcodeSuccess, 1)}
			if _, err := load.run(t.Context(), time.Second); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("run() = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// The constant plugin answers questions that have no answer, too.
func TestTrafficOfTheConstantPlugin(t *testing.T) {
	load := traffic{network: udp, addr: serve(t, udp, right), queries: someQueries(t, dns.RcodeNameError, 0), constant: true}
	if _, err := load.run(t.Context(), 10*time.Millisecond); err != nil {
		t.Error(err)
	}
}
