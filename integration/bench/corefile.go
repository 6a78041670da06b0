package main

import (
	"fmt"
	"strings"
)

// side is one of the servers that are compared.
type side string

const (
	ours  side = "ours"
	stock side = "stock"
	floor side = "floor" // the constant-answer plugin
	alone side = "alone" // ours with Kubernetes alone, beside ours with more
	cache side = "cache" // Apache Curator's own ServiceCache in a Java program
)

// chain is what stands in the server block beside the plugin.
type chain string

const (
	bare    chain = "bare"    // nothing
	kubeadm chain = "kubeadm" // what kubeadm installs
)

// setting is what a server is started with.
type setting struct {
	side       side
	chain      chain
	kubeconfig string
	upstream   string   // of forward
	extra      []string // lines of the plugin's block, ours only
	profiled   bool
	ports      ports
}

// ports are where one server listens, all on loopback.
type ports struct{ dns, health, ready, metrics, pprof int }

// corefile returns the configuration of a server: but for the plugin's name the
// same one for stock and ours.
func (s setting) corefile() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "    "+format+"\n", args...) }
	fmt.Fprintf(&b, ".:%d {\n", s.ports.dns)
	line("bind 127.0.0.1")
	if s.profiled {
		line("pprof 127.0.0.1:%d", s.ports.pprof) // no part of the chain
	}
	switch {
	case s.side == floor:
		line("constant")
	case s.chain == bare:
		s.plugin(line)
	default:
		line("errors")
		line("health 127.0.0.1:%d", s.ports.health)
		line("ready 127.0.0.1:%d", s.ports.ready)
		s.plugin(line, "pods insecure", "fallthrough in-addr.arpa ip6.arpa")
		line("prometheus 127.0.0.1:%d", s.ports.metrics)
		line("forward . %s", s.upstream)
		line("cache 30")
		line("loop")
		line("reload")
		line("loadbalance")
	}
	b.WriteString("}\n")
	return b.String()
}

func (s setting) plugin(line func(string, ...any), options ...string) {
	name := "kubernetes"
	if s.side == ours || s.side == alone {
		name = "isthmus"
		options = append(options, s.extra...)
	}
	line("%s cluster.local in-addr.arpa ip6.arpa {", name)
	line("    kubeconfig %s", s.kubeconfig)
	line("    ttl 30")
	line("    startup_timeout 2m") // nobody answers before all is read
	for _, o := range options {
		line("    %s", o)
	}
	line("}")
}
