package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/miekg/dns"
)

const (
	udp = "udp"
	tcp = "tcp"

	ednsSize = 1232 // what resolvers announce since the DNS flag day of 2020
)

// query is one question and what a right answer to it looks like from outside.
type query struct {
	name    string
	qtype   uint16
	size    uint16 // announced by EDNS; 0: without EDNS
	rcode   int
	answers int // records of the answer section; of a truncated answer, at least one
	cut     bool
	wire    []byte // two bytes of length, as over TCP, and the message with the id 0
}

// newQuery returns the query for name. That its answer is cut is left to the
// comparison, which knows how large it is.
func newQuery(name string, qtype, size uint16, rcode, answers int) (query, error) {
	q := query{name: name, qtype: qtype, size: size, rcode: rcode, answers: answers}
	b, err := q.message().Pack()
	if err != nil {
		return q, fmt.Errorf("pack the query for %q: %w", name, err)
	}
	q.wire = append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
	return q, nil
}

// message returns the query with the id 0.
func (q query) message() *dns.Msg {
	m := new(dns.Msg).SetQuestion(q.name, q.qtype)
	m.Id = 0
	if q.size > 0 {
		m.SetEdns0(q.size, false)
	}
	return m
}

func (q query) String() string { return q.name + " " + dns.TypeToString[q.qtype] }

// question is what kind of question a row asks.
type question string

const (
	clusterIPs question = "A of a ClusterIP"
	headlessA  question = "A of a headless Service, 100 records"
	headlessSR question = "SRV of a headless Service, 100 targets"
	nxdomain   question = "NXDOMAIN of a search path"
	ptr        question = "PTR"
)

// maxNames bounds how many search path and reverse names are asked for.
const maxNames = 4000

// queries returns every query of that kind that the world s has an answer to,
// shuffled, the same ones each time.
func (s shape) queries(k question, size uint16) ([]query, error) {
	var all []query
	var failed error
	add := func(name string, qtype uint16, rcode, answers int) {
		q, err := newQuery(name, qtype, size, rcode, answers)
		if err != nil && failed == nil {
			failed = err
		}
		all = append(all, q)
	}
	switch k {
	case nxdomain:
		s.searchPaths(add)
	case ptr:
		s.reverseNames(add)
	default:
		for v := range s.services() {
			v.ask(k, add)
		}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, failed
}

// ask adds what is asked about v itself.
func (v service) ask(k question, add func(string, uint16, int, int)) {
	full := v.headless && v.count == fullService
	switch {
	case k == clusterIPs && !v.headless:
		add(v.fqdn(), dns.TypeA, dns.RcodeSuccess, 1)
	case k == headlessA && full:
		add(v.fqdn(), dns.TypeA, dns.RcodeSuccess, v.count)
	case k == headlessSR && full:
		add("_http._tcp."+v.fqdn(), dns.TypeSRV, dns.RcodeSuccess, v.count)
	}
}

// searchPaths adds what a pod's resolver asks before it asks for an outside
// name: the name below each domain of its search path.
func (s shape) searchPaths(add func(string, uint16, int, int)) {
	hosts := maxNames / (3 * s.Namespaces)
	for n := range s.Namespaces {
		for h := range max(1, hosts) {
			host := fmt.Sprintf("host-%d.site-%d.example.com.", h, n)
			for _, domain := range []string{namespaceName(n) + ".svc.", "svc.", ""} {
				add(host+domain+zone, dns.TypeA, dns.RcodeNameError, 0)
			}
		}
	}
}

// reverseNames adds virtual addresses and those of headless endpoints, an equal
// number of each.
func (s shape) reverseNames(add func(string, uint16, int, int)) {
	virtual, endpoints := 0, 0
	for v := range s.services() {
		switch {
		case !v.headless && virtual < maxNames/2:
			virtual++
			add(reverse(v.clusterIP), dns.TypePTR, dns.RcodeSuccess, 1)
		case v.headless && v.count < fullService && endpoints < maxNames/2:
			endpoints++
			add(reverse(podIP(v.first)), dns.TypePTR, dns.RcodeSuccess, 1)
		}
	}
}

func reverse(ip fmt.Stringer) string {
	name, err := dns.ReverseAddr(ip.String())
	if err != nil {
		panic(err) // an address of netip is well formed
	}
	return name
}
