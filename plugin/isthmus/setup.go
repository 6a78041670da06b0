package isthmus

import (
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/coredns/coredns/plugin/transfer"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/all"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

func init() { plugin.Register(name, setup) }

// Directives returns stock, the directives of CoreDNS in their order, with
// isthmus in its place: right before kubernetes. A program that is CoreDNS
// with Isthmus hands it to dnsserver.SetDirectives. A list that has isthmus is
// left as it is.
func Directives(stock []string) []string {
	if slices.Contains(stock, name) {
		return slices.Clone(stock)
	}
	at := slices.Index(stock, "kubernetes")
	if at < 0 {
		at = len(stock)
	}
	return slices.Insert(slices.Clone(stock), at, name)
}

func setup(c *caddy.Controller) error { return setupWith(c, all.Types(), os.Getenv) }

// setupWith adds the plugin with these types of registries to the server.
func setupWith(c *caddy.Controller, types []registry.Type, env func(string) string) error {
	conf, err := read(c, types, env)
	if err != nil {
		return plugin.Error(name, err)
	}
	conf.search = searchOf("/etc/resolv.conf")
	log := slog.New(newLogHandler(clog.NewWithPlugin(name)))
	for _, w := range conf.warnings {
		log.Warn(w)
	}
	p, all := newProcess(conf, log), blocksOf(c)
	if p.views.meters, err = metersOf(prometheus.DefaultRegisterer); err != nil {
		return plugin.Error(name, err)
	}
	p.kin = processes
	server := dnsserver.GetConfig(c)
	c.OnStartup(func() error {
		conf.locals = localAddrs(server.ListenHosts)
		if t, is := server.Handler("transfer").(*transfer.Transfer); is {
			p.notify = t
		}
		if err := all.start(p); err != nil {
			return plugin.Error(name, err)
		}
		return nil
	})
	c.OnShutdown(func() error { return p.stop() })
	c.OnFinalShutdown(p.finish)
	of := conf.zones[max(conf.zones.primary(), 0)].name
	exportMetrics(c, p, prometheus.DefaultRegisterer, source{zone: of, server: server, views: p.views})
	handler := &Isthmus{conf: conf, views: p.views, up: upstream.New()}
	if p.imports != nil {
		handler.imports = p.imports.views
		exportMetrics(c, p, prometheus.DefaultRegisterer, source{zone: conf.zones.multicluster(), server: server, views: handler.imports})
	}
	server.AddPlugin(func(next plugin.Handler) plugin.Handler {
		handler.Next = next
		return handler
	})
	return nil
}

// read reads the one stanza of a server block.
func read(c *caddy.Controller, types []registry.Type, env func(string) string) (*config, error) {
	var conf *config
	for c.Next() {
		s, err := stanza.Read(&c.Dispenser)
		if err != nil {
			return nil, err
		}
		if conf != nil {
			return nil, s.Errorf("%q stands twice in one server block", name)
		}
		if conf, err = parse(s, c.ServerBlockKeys, types, env); err != nil {
			return nil, err
		}
		if err := checkBeside(c, s); err != nil {
			return nil, err
		}
	}
	return conf, nil
}

// localAddrs returns the addresses that the server is reached at from other
// hosts: those that it listens on or, where it listens everywhere, the host's.
func localAddrs(listen []string) []netip.Addr {
	if len(listen) == 0 || listen[0] == "" {
		listen = nil
		// Without a list of them the server is known as ns.dns only.
		ifaces, _ := net.InterfaceAddrs()
		for _, a := range ifaces {
			listen = append(listen, a.String())
		}
	}
	var addrs []netip.Addr
	for _, host := range listen {
		a, err := netip.ParseAddr(host)
		if p, notPlain := netip.ParsePrefix(host); err != nil && notPlain == nil {
			a = p.Addr()
		}
		a = a.Unmap()
		if registry.CheckAddr(a) == nil && !slices.Contains(addrs, a) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
