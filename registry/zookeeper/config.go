package zookeeper

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// Type returns the registry type "zookeeper".
//
//	zookeeper NAME [HOST[:PORT]...] {
//	    path PATH                # below which services stand; /services
//	    format FORMAT            # curator, serverset or nerve; curator
//	    namespace NAMESPACE      # where its services stand; zookeeper
//	    allow NAMESPACE...       # more namespaces where they may answer
//	    trust OWNER...           # whose mirrors answer under their original's key
//	    allow_cidr CIDR...       # where addresses of services may be; anywhere
//	    deny_cidr CIDR...        # where they may not
//	    allow_names DOMAIN...    # below which names in place of addresses may be; any
//	    auth_file FILE           # user:password
//	    acl RIGHTS               # of others on what is written: world_read, private or world; world_read
//	    payload PAYLOAD          # of what is written: none or spring; none
//	    dynamic                  # what is written goes with the bridge's session
//	    session_timeout DURATION # 10s
//	    compare DURATION         # between comparisons; about 5m
//	    tls                      # also without any of the following
//	    server_name NAME         # that certificates of servers are to have
//	    ca_file FILE
//	    cert_file FILE
//	    key_file FILE
//	}
//
// Without servers it is 127.0.0.1:2181; a server without a port has 2181.
func Type() registry.Type { return registry.Type{Name: "zookeeper", Parse: parse} }

const usage = "zookeeper NAME [HOST:PORT...]"

const (
	defaultPort    = "2181"
	sessionTimeout = 10 * time.Second
	leastTimeout   = time.Second
)

// config is one stanza; it implements registry.Config.
type config struct {
	name       string
	servers    []string // host:port
	path       string   // "/services"
	format     string
	namespace  string
	allow      []string
	trust      []string
	hosts      registry.Hosts
	authFile   string
	rights     string        // of others: "", worldRead, private or world
	payload    string        // of instances that are written: noPayload or spring
	dynamic    bool          // they go with a session
	timeout    time.Duration // of sessions
	compare    time.Duration // 0: compareEvery
	tls        bool
	serverName string
	caFile     string
	certFile   string
	keyFile    string
}

func parse(s stanza.Stanza, _ func(string) string) (registry.Config, error) {
	if err := s.WantArgs(1, -1, usage); err != nil {
		return nil, err
	}
	c := &config{name: s.Args()[0], path: "/services", format: curator, namespace: "zookeeper", payload: noPayload, timeout: sessionTimeout}
	if strings.Contains(c.name, "/") {
		return nil, s.Errorf("name %q holds a %q", c.name, "/")
	}
	if err := s.Options(c.option); err != nil {
		return nil, err
	}
	return c, c.check(s)
}

func (c *config) option(o stanza.Stanza) error {
	values := stanza.Values{Many: map[string]*[]string{"allow": &c.allow, "trust": &c.trust}}
	values.One = map[string]*string{
		"path": &c.path, "format": &c.format, "namespace": &c.namespace, "auth_file": &c.authFile, "acl": &c.rights, "payload": &c.payload,
		"server_name": &c.serverName, "ca_file": &c.caFile, "cert_file": &c.certFile, "key_file": &c.keyFile,
	}
	if is, err := c.hosts.Option(o); is {
		return err
	}
	is, err := values.Option(o)
	switch {
	case err != nil:
		return err
	case is:
	default:
		return c.another(o)
	}
	return c.checkOption(o)
}

// another reads an option that is no plain text.
func (c *config) another(o stanza.Stanza) (err error) {
	switch o.Name() {
	case "compare":
		c.compare, err = o.Duration(time.Second)
	case "session_timeout":
		c.timeout, err = o.Duration(leastTimeout)
	case "tls":
		c.tls = true
		err = o.WantArgs(0, 0, "tls")
	case "dynamic":
		c.dynamic = true
		err = o.WantArgs(0, 0, "dynamic")
	default:
		err = o.Errorf("unknown word %q in %q", o.Name(), "zookeeper")
	}
	return err
}

func (c *config) checkOption(o stanza.Stanza) error {
	switch o.Name() {
	case "path":
		return c.checkPath(o)
	case "format":
		return choice(o, curator, serverset, nerve)
	case "acl":
		return choice(o, worldRead, private, world)
	case "payload":
		return choice(o, noPayload, spring)
	case "namespace", "allow":
		for _, ns := range o.Args() {
			if !namespaces.MatchString(ns) {
				return o.Errorf("%s: %q is no namespace: want letters in lower case, digits and dashes", o.Name(), ns)
			}
		}
	}
	return nil
}

var namespaces = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// choice holds that an option's value is one of those that there are.
func choice(o stanza.Stanza, of ...string) error {
	if !slices.Contains(of, o.Args()[0]) {
		return o.Errorf("%s %q: want one of %s", o.Name(), o.Args()[0], strings.Join(of, ", "))
	}
	return nil
}

func (c *config) checkPath(o stanza.Stanza) error {
	if c.path = "/" + strings.Trim(c.path, "/"); c.path == "/" {
		return o.Errorf("path %q: want a node below that, such as /services", o.Args()[0])
	}
	for _, part := range strings.Split(c.path[1:], "/") {
		switch {
		case part == "" || part == "." || part == "..":
			return o.Errorf("path %q has a part %q", o.Args()[0], part)
		case strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return o.Errorf("path %q holds a control character", o.Args()[0])
		}
	}
	if c.path == stateRoot || strings.HasPrefix(c.path, stateRoot+"/") {
		return o.Errorf("path %q: %q is for the bridges' own state", o.Args()[0], stateRoot)
	}
	if c.path == "/zookeeper" || strings.HasPrefix(c.path, "/zookeeper/") {
		return o.Errorf("path %q: %q is for ZooKeeper's own state", o.Args()[0], "/zookeeper")
	}
	return nil
}

func (c *config) check(s stanza.Stanza) error {
	for _, arg := range s.Args()[1:] {
		for server := range strings.SplitSeq(arg, ",") {
			hostport, err := serverOf(server)
			if err != nil {
				return s.Errorf("server %q: %w", server, err)
			}
			c.servers = append(c.servers, hostport)
		}
	}
	if len(c.servers) == 0 {
		c.servers = []string{net.JoinHostPort("127.0.0.1", defaultPort)}
	}
	if (c.certFile == "") != (c.keyFile == "") {
		return s.Errorf("cert_file and key_file go together")
	}
	if c.rights == private && c.authFile == "" {
		return s.Errorf("acl %s wants auth_file: else nobody could read what is written", private)
	}
	return nil
}

var (
	errServer = errors.New("want HOST:PORT")
	errChroot = errors.New("want HOST:PORT; what follows a slash belongs into path")
)

// serverOf reads HOST:PORT, or HOST alone.
func serverOf(text string) (string, error) {
	if strings.Contains(text, "://") {
		return "", errServer
	}
	if strings.Contains(text, "/") {
		return "", errChroot
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), defaultPort
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, "[]@ ") {
		return "", errServer
	}
	return net.JoinHostPort(host, port), nil
}

// secure reports whether servers are spoken to by TLS.
func (c *config) secure() bool {
	return c.tls || c.serverName != "" || c.caFile != "" || c.certFile != ""
}

// Origin returns zookeeper/NAME.
func (c *config) Origin() catalog.Origin { return catalog.Origin("zookeeper/" + c.name) }

// Policy gives the origin its namespace and those allowed.
func (c *config) Policy() catalog.OriginPolicy {
	return catalog.OriginPolicy{Origin: c.Origin(), Given: append([]string{c.namespace}, c.allow...), Trust: c.trust}
}

// Naming puts a mirror's namespace into its name, since ZooKeeper has none.
func (c *config) Naming() registry.Naming {
	return registry.Naming{Namespace: c.namespace, Name: "{service}-{namespace}"}
}

// Reader opens the registry for reading.
func (c *config) Reader(log *slog.Logger) (registry.Registry, error) { return c.open("", log) }

func (c *config) open(owner string, log *slog.Logger) (*zookeeper, error) {
	if _, err := c.dialing(); err != nil {
		return nil, fmt.Errorf("zookeeper %q: %w", c.name, err)
	}
	l := newLayout(c.path, c.format, c.namespace)
	l.hosts = &c.hosts
	if owner != "" {
		l = c.writes(l, owner)
	}
	return &zookeeper{config: c, layout: l, table: newTable(l, log)}, nil
}

// String is the stanza in one line without secrets.
func (c *config) String() string {
	words := append([]string{"zookeeper", c.name}, c.servers...)
	words = append(words, "{", "path", c.path, "format", c.format, "namespace", c.namespace, "session_timeout", c.timeout.String())
	for _, o := range []struct{ name, value string }{
		{"allow", strings.Join(c.allow, " ")}, {"trust", strings.Join(c.trust, " ")}, {"auth_file", c.authFile}, {"acl", c.rights},
		{"server_name", c.serverName}, {"ca_file", c.caFile}, {"cert_file", c.certFile}, {"key_file", c.keyFile},
	} {
		if o.value != "" {
			words = append(words, o.name, o.value)
		}
	}
	if c.payload != noPayload {
		words = append(words, "payload", c.payload)
	}
	if c.dynamic {
		words = append(words, "dynamic")
	}
	if c.tls {
		words = append(words, "tls")
	}
	if c.compare > 0 {
		words = append(words, "compare", c.compare.String())
	}
	if hosts := c.hosts.String(); hosts != "" {
		words = append(words, hosts[1:])
	}
	return strings.Join(append(words, "}"), " ")
}
