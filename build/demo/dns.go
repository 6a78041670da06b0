package main

import (
	"fmt"
	"io"
	"log"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/bind"   // for the Corefile below
	_ "github.com/coredns/coredns/plugin/errors" // for the Corefile below
	clog "github.com/coredns/coredns/plugin/pkg/log"

	_ "github.com/isthmus-dns/isthmus/plugin/isthmus"
)

// startDNS starts CoreDNS with the plugins that corefile names.
func startDNS(corefile string, verbose bool) (*caddy.Instance, error) {
	if err := dnsserver.SetDirectives([]string{"bind", "errors", "isthmus"}); err != nil {
		return nil, fmt.Errorf("set directives: %w", err)
	}
	caddy.Quiet, dnsserver.Quiet = true, true
	if !verbose {
		clog.SetOutput(io.Discard)
		log.SetOutput(io.Discard)
	}
	instance, err := caddy.Start(caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns"})
	if err != nil {
		return nil, fmt.Errorf("start the DNS server: %w", err)
	}
	return instance, nil
}

// stopDNS releases what the plugins hold, then the sockets.
func stopDNS(instance *caddy.Instance) error {
	for _, err := range instance.ShutdownCallbacks() {
		if err != nil {
			return fmt.Errorf("shut the DNS server down: %w", err)
		}
	}
	if err := instance.Stop(); err != nil {
		return fmt.Errorf("stop the DNS server: %w", err)
	}
	return nil
}
