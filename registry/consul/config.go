package consul

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Type returns the registry type "consul".
//
//	consul NAME [URL] {
//	    namespace NAMESPACE   # where its services stand; consul
//	    allow NAMESPACE...    # more namespaces where they may answer
//	    trust OWNER...        # whose mirrors answer under their original's key
//	    allow_cidr CIDR...    # where addresses of services may be; anywhere
//	    deny_cidr CIDR...     # where they may not
//	    allow_names DOMAIN... # below which names in place of addresses may be; any
//	    datacenter DC         # the agent's own
//	    partition NAME        # of Consul Enterprise; the token's own
//	    tenant NAME           # a namespace of Consul Enterprise; the token's own
//	    nodes N               # synthetic nodes of an owner; 256
//	    compare DURATION      # between readings of everything, at most; 5m
//	    directory             # report what Consul's own DNS has, too
//	    token_file FILE
//	    ca_file FILE
//	    cert_file FILE
//	    key_file FILE
//	}
//
// Without a URL, CONSUL_HTTP_ADDR names it (with CONSUL_HTTP_SSL), or
// http://127.0.0.1:8500. Where the stanza has no such file,
// CONSUL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN, CONSUL_CACERT,
// CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY count, CONSUL_PARTITION and
// CONSUL_NAMESPACE likewise; CONSUL_TLS_SERVER_NAME and
// CONSUL_HTTP_SSL_VERIFY always do.
func Type() registry.Type { return registry.Type{Name: "consul", Parse: parse} }

const usage = "consul NAME [URL]"

// config is one stanza; it implements registry.Config.
type config struct {
	name       string
	url        string
	namespace  string
	allow      []string
	trust      []string
	hosts      registry.Hosts
	datacenter string
	tenant     tenant
	nodes      int
	directory  bool
	compare    time.Duration
	tokenFile  string
	token      secret // from the environment
	caFile     string
	certFile   string
	keyFile    string
	serverName string
	insecure   bool
}

// secret is a text that is never printed.
type secret string

// String hides the secret.
func (secret) String() string { return "(hidden)" }

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func parse(s stanza.Stanza, env func(string) string) (registry.Config, error) {
	if err := s.WantArgs(1, 2, usage); err != nil {
		return nil, err
	}
	c := &config{name: s.Args()[0], namespace: "consul", compare: waitTime, nodes: 256}
	if strings.Contains(c.name, "/") {
		return nil, s.Errorf("name %q holds a %q", c.name, "/")
	}
	if len(s.Args()) == 2 {
		c.url = s.Args()[1]
	}
	if err := s.Options(c.option); err != nil {
		return nil, err
	}
	c.fromEnv(env)
	if err := c.check(); err != nil {
		return nil, s.Errorf("%w", err)
	}
	return c, nil
}

func (c *config) option(o stanza.Stanza) error {
	values := stanza.Values{Many: map[string]*[]string{"allow": &c.allow, "trust": &c.trust}}
	values.One = map[string]*string{
		"namespace": &c.namespace, "datacenter": &c.datacenter, "partition": &c.tenant.partition, "tenant": &c.tenant.namespace,
		"token_file": &c.tokenFile,
		"ca_file":    &c.caFile, "cert_file": &c.certFile, "key_file": &c.keyFile, "nodes": new(string),
	}
	if is, err := c.hosts.Option(o); is {
		return err
	}
	is, err := values.Option(o)
	switch {
	case err != nil:
		return err
	case o.Name() == "directory":
		c.directory = true
		return o.WantArgs(0, 0, "directory")
	case o.Name() == "compare":
		return c.setCompare(o)
	case is:
	default:
		return o.Errorf("unknown word %q in %q", o.Name(), "consul")
	}
	return c.checkOption(o)
}

func (c *config) setCompare(o stanza.Stanza) (err error) {
	c.compare, err = o.Duration(time.Second)
	return err
}

func (c *config) checkOption(o stanza.Stanza) error {
	switch o.Name() {
	case "namespace", "allow":
		for _, ns := range o.Args() {
			if !label.MatchString(ns) {
				return o.Errorf("%s: %q is no DNS label in lower case", o.Name(), ns)
			}
		}
	case "nodes":
		n, err := strconv.Atoi(o.Args()[0])
		if err != nil || n < 1 || n > 1000 {
			return o.Errorf("nodes: %q is no number from 1 to 1000", o.Args()[0])
		}
		c.nodes = n
	}
	return nil
}

// fromEnv fills what the stanza leaves open.
func (c *config) fromEnv(env func(string) string) {
	if c.url == "" {
		c.url = cmp.Or(env("CONSUL_HTTP_ADDR"), "http://127.0.0.1:8500")
		if tls, _ := strconv.ParseBool(env("CONSUL_HTTP_SSL")); tls && !strings.Contains(c.url, "://") {
			c.url = "https://" + c.url
		}
	}
	if !strings.Contains(c.url, "://") {
		c.url = "http://" + c.url
	}
	if c.tokenFile == "" {
		c.tokenFile = env("CONSUL_HTTP_TOKEN_FILE")
		c.token = secret(env("CONSUL_HTTP_TOKEN"))
	}
	c.tenant.partition = cmp.Or(c.tenant.partition, env("CONSUL_PARTITION"))
	c.tenant.namespace = cmp.Or(c.tenant.namespace, env("CONSUL_NAMESPACE"))
	c.caFile = cmp.Or(c.caFile, env("CONSUL_CACERT"))
	if c.certFile == "" && c.keyFile == "" {
		c.certFile, c.keyFile = env("CONSUL_CLIENT_CERT"), env("CONSUL_CLIENT_KEY")
	}
	c.serverName = env("CONSUL_TLS_SERVER_NAME")
	if verify, err := strconv.ParseBool(env("CONSUL_HTTP_SSL_VERIFY")); err == nil {
		c.insecure = !verify
	}
}

// check judges what was said together.
func (c *config) check() error {
	u, err := url.Parse(c.url)
	switch {
	case err != nil:
		return errors.New("the URL of consul cannot be read") // it may hold a password
	case u.User != nil:
		return errors.New("the URL of consul holds a user: put a token into token_file")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("%q is no URL of consul: want http://HOST:PORT or https://HOST:PORT", c.url)
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("the URL of consul holds a query")
	case (c.certFile == "") != (c.keyFile == ""):
		return errors.New("cert_file and key_file go together")
	}
	return nil
}

// Origin returns "consul/NAME".
func (c *config) Origin() catalog.Origin { return catalog.Origin("consul/" + c.name) }

// Policy gives the origin its namespace and those allowed.
func (c *config) Policy() catalog.OriginPolicy {
	given := append([]string{c.namespace}, c.allow...)
	slices.Sort(given)
	return catalog.OriginPolicy{Origin: c.Origin(), Given: slices.Compact(given), Bound: len(c.trust) == 0, Trust: slices.Clone(c.trust)}
}

// Naming puts mirrors into the one namespace.
func (c *config) Naming() registry.Naming {
	return registry.Naming{Namespace: c.namespace, Name: "{service}-{namespace}"}
}

// Reader opens the datacenter for reading.
func (c *config) Reader(log *slog.Logger) (registry.Registry, error) { return c.open("", log) }

// Writer opens the datacenter for owner, whose name becomes part of node names.
func (c *config) Writer(owner string, log *slog.Logger) (registry.Writer, error) {
	if !label.MatchString(owner) || len(owner) > 50 {
		return nil, fmt.Errorf("consul: owner %q: names nodes, so it must be a DNS label of at most 50 letters", owner)
	}
	return c.open(owner, log)
}

func (c *config) open(owner string, log *slog.Logger) (*consul, error) {
	cl, err := newClient(c)
	if err != nil {
		return nil, err
	}
	return &consul{
		client: cl, compare: c.compare,
		layout: layout{namespace: c.namespace, hosts: &c.hosts, owner: owner, nodes: c.nodes, directory: c.directory},
		view:   view{namespace: c.namespace, owner: owner, directory: c.directory, seed: maphash.MakeSeed(), log: log},
	}, nil
}

// String returns the stanza in one line; files are named, secrets are not.
func (c *config) String() string {
	s := fmt.Sprintf("consul %s %s namespace=%s nodes=%d", c.name, c.url, c.namespace, c.nodes)
	for _, o := range [][2]string{{"datacenter", c.datacenter}, {"partition", c.tenant.partition}, {"tenant", c.tenant.namespace}, {"token_file", c.tokenFile},
		{"ca_file", c.caFile}, {"cert_file", c.certFile}, {"key_file", c.keyFile}} {
		if o[1] != "" {
			s += " " + o[0] + "=" + o[1]
		}
	}
	if c.compare != waitTime {
		s += " compare=" + c.compare.String()
	}
	if c.directory {
		s += " directory"
	}
	if len(c.allow) > 0 {
		s += " allow=" + strings.Join(c.allow, ",")
	}
	if len(c.trust) > 0 {
		s += " trust=" + strings.Join(c.trust, ",")
	}
	return s + c.hosts.String()
}

// GoString returns the same, so that no way of printing shows the token.
func (c *config) GoString() string { return c.String() }
