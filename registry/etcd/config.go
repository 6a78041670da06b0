package etcd

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Type returns the registry type "etcd".
//
//	etcd NAME [URL...] {
//	    zone ZONE             # cluster.local
//	    path PATH             # skydns
//	    namespace NAMESPACE   # of records at ZONE/name; etcd
//	    allow NAMESPACE...    # more namespaces where its services may answer
//	    trust OWNER...        # whose mirrors answer under their original's key
//	    allow_cidr CIDR...    # where addresses of services may be; anywhere
//	    deny_cidr CIDR...     # where they may not
//	    allow_names DOMAIN... # below which names in place of addresses may be; any
//	    reverse [off]         # the addresses of mirrors are written, too; off: no more
//	    compare DURATION      # between comparisons; about 5m
//	    user_file FILE        # user:password
//	    ca_file FILE
//	    cert_file FILE
//	    key_file FILE
//	}
//
// Without URLs, ETCDCTL_ENDPOINTS names them, or http://127.0.0.1:2379. Where
// the stanza has no such file, ETCDCTL_CACERT, ETCDCTL_CERT and ETCDCTL_KEY
// name them, and ETCDCTL_USER (with ETCDCTL_PASSWORD) is the user.
func Type() registry.Type { return registry.Type{Name: "etcd", Parse: parse} }

const usage = "etcd NAME [URL...]"

// config is one stanza; it implements registry.Config.
type config struct {
	name      string
	endpoints []string
	zone      string
	path      string
	namespace string
	allow     []string
	trust     []string
	hosts     registry.Hosts
	reverse   string // "", "on" or "off"
	userFile  string
	user      func() string // user:password from the environment; a function is not printed
	compare   time.Duration // 0: compareEvery
	caFile    string
	certFile  string
	keyFile   string
}

func parse(s stanza.Stanza, env func(string) string) (registry.Config, error) {
	if err := s.WantArgs(1, -1, usage); err != nil {
		return nil, err
	}
	c := &config{name: s.Args()[0], endpoints: s.Args()[1:], zone: "cluster.local", path: "skydns", namespace: "etcd"}
	if strings.Contains(c.name, "/") {
		return nil, s.Errorf("name %q holds a %q", c.name, "/")
	}
	if err := s.Options(c.option); err != nil {
		return nil, err
	}
	c.fromEnv(env)
	return c, c.check(s)
}

func (c *config) option(o stanza.Stanza) error {
	values := stanza.Values{Many: map[string]*[]string{"allow": &c.allow, "trust": &c.trust}}
	values.One = map[string]*string{
		"zone": &c.zone, "path": &c.path, "namespace": &c.namespace, "user_file": &c.userFile,
		"ca_file": &c.caFile, "cert_file": &c.certFile, "key_file": &c.keyFile,
	}
	if is, err := c.hosts.Option(o); is {
		return err
	}
	is, err := values.Option(o)
	switch {
	case err != nil:
		return err
	case is:
	case o.Name() == "reverse":
		return c.setReverse(o)
	case o.Name() == "compare":
		return c.setCompare(o)
	default:
		return o.Errorf("unknown word %q in %q", o.Name(), "etcd")
	}
	return c.checkOption(o)
}

func (c *config) setReverse(o stanza.Stanza) error {
	if err := o.WantArgs(0, 1, "reverse [off]"); err != nil {
		return err
	}
	c.reverse = "on"
	if len(o.Args()) > 0 {
		c.reverse = o.Args()[0]
	}
	if c.reverse != "on" && c.reverse != "off" {
		return o.Errorf("reverse %q: want nothing or %q", c.reverse, "off")
	}
	return nil
}

func (c *config) setCompare(o stanza.Stanza) (err error) {
	c.compare, err = o.Duration(time.Second)
	return err
}

func (c *config) checkOption(o stanza.Stanza) error {
	switch o.Name() {
	case "zone":
		c.zone = strings.ToLower(strings.TrimSuffix(c.zone, "."))
		if err := checkName(c.zone); err != nil {
			return o.Errorf("zone: %w", err)
		}
	case "path":
		c.path = strings.Trim(c.path, "/")
		if slices.Contains(strings.Split(c.path, "/"), "") {
			return o.Errorf("path %q has an empty part", o.Args()[0])
		}
		if c.path == stateRoot || strings.HasPrefix(c.path, stateRoot+"/") {
			return o.Errorf("path %q: %q is for the bridges' own state", o.Args()[0], stateRoot)
		}
	case "namespace", "allow":
		for _, ns := range o.Args() {
			if err := checkLabel(ns); err != nil {
				return o.Errorf("%s: %w", o.Name(), err)
			}
		}
	}
	return nil
}

// fromEnv fills what the stanza leaves open.
func (c *config) fromEnv(env func(string) string) {
	if len(c.endpoints) == 0 {
		c.endpoints = strings.FieldsFunc(env("ETCDCTL_ENDPOINTS"), func(r rune) bool { return r == ',' || r == ' ' })
	}
	if len(c.endpoints) == 0 {
		c.endpoints = []string{"http://127.0.0.1:2379"}
	}
	c.caFile = cmp.Or(c.caFile, env("ETCDCTL_CACERT"))
	if c.certFile == "" && c.keyFile == "" {
		c.certFile, c.keyFile = env("ETCDCTL_CERT"), env("ETCDCTL_KEY")
	}
	if user := env("ETCDCTL_USER"); c.userFile == "" && user != "" {
		if !strings.Contains(user, ":") {
			user += ":" + env("ETCDCTL_PASSWORD")
		}
		c.user = func() string { return user }
	}
}

func (c *config) check(s stanza.Stanza) error {
	for i, e := range c.endpoints {
		if !strings.Contains(e, "://") {
			e = c.scheme() + e
		}
		u, err := url.Parse(e)
		switch {
		case err != nil || u.User != nil:
			return s.Errorf("server %d of %q is no URL, or one that holds a password", i+1, "etcd "+c.name)
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			return s.Errorf("server %q: want http://HOST:PORT or https://HOST:PORT", e)
		case u.Path != "" && u.Path != "/" || u.RawQuery != "":
			return s.Errorf("server %q: nothing may follow the port", e)
		}
		c.endpoints[i] = u.Scheme + "://" + u.Host
	}
	if (c.certFile == "") != (c.keyFile == "") {
		return s.Errorf("cert_file and key_file go together")
	}
	return nil
}

// scheme is that of a server named without one, as etcdctl reads it.
func (c *config) scheme() string {
	if c.caFile != "" || c.certFile != "" {
		return "https://"
	}
	return "http://"
}

// Origin returns etcd/NAME.
func (c *config) Origin() catalog.Origin { return catalog.Origin("etcd/" + c.name) }

// Policy gives the origin its namespace and those allowed.
func (c *config) Policy() catalog.OriginPolicy {
	return catalog.OriginPolicy{Origin: c.Origin(), Given: append([]string{c.namespace}, c.allow...), Trust: c.trust}
}

// Naming keeps a mirror's key as the original's.
func (c *config) Naming() registry.Naming {
	return registry.Naming{Namespace: "{namespace}", Name: "{service}"}
}

// Reader opens the registry for reading.
func (c *config) Reader(log *slog.Logger) (registry.Registry, error) { return c.open("", log) }

// Writer opens it for owner to write to, too.
func (c *config) Writer(owner string, log *slog.Logger) (registry.Writer, error) {
	if err := checkOwner(owner); err != nil {
		return nil, fmt.Errorf("etcd: owner %q: %w", owner, err)
	}
	return c.open(owner, log)
}

func (c *config) open(owner string, log *slog.Logger) (*etcd, error) {
	if _, err := c.dialing(); err != nil {
		return nil, err
	}
	l := newLayout(c.path, c.zone, c.namespace)
	l.owner, l.hosts = owner, &c.hosts
	if c.reverse != "" && owner != "" {
		l = l.reversed(c.path, c.reverse == "on")
	}
	return &etcd{config: c, layout: l, owner: owner, table: newTable(l, owner, log)}, nil
}

// String is the stanza in one line without secrets.
func (c *config) String() string {
	words := append([]string{"etcd", c.name}, c.endpoints...)
	words = append(words, "{", "zone", c.zone, "path", c.path, "namespace", c.namespace)
	for _, o := range []struct{ name, value string }{
		{"allow", strings.Join(c.allow, " ")}, {"trust", strings.Join(c.trust, " ")}, {"reverse", c.reverse},
		{"user_file", c.userFile}, {"ca_file", c.caFile}, {"cert_file", c.certFile}, {"key_file", c.keyFile},
	} {
		if o.value != "" {
			words = append(words, o.name, o.value)
		}
	}
	if c.compare > 0 {
		words = append(words, "compare", c.compare.String())
	}
	if hosts := c.hosts.String(); hosts != "" {
		words = append(words, hosts[1:])
	}
	return strings.Join(append(words, "}"), " ")
}
