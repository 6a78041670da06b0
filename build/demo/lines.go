package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/template"
)

// places is where everything listens, and what to type to ask it.
type places struct {
	DNSPort   int
	Etcd      string // URL
	Consul    string // URL; "" if it was left out
	Manifests string // folder
}

// Dig returns the command that asks for name and type here: dig, or where it
// is missing our own query.
func (p places) Dig(name, typ string) string {
	if tool("dig") == "dig" {
		return fmt.Sprintf("dig @127.0.0.1 -p %d +noall +answer %s %s", p.DNSPort, name, typ)
	}
	return fmt.Sprintf("%s query %s %s @%s", tool("isthmus"), name, typ, net.JoinHostPort("127.0.0.1", strconv.Itoa(p.DNSPort)))
}

// Etcdctl returns the beginning of an etcdctl command.
func (p places) Etcdctl() string { return tool("etcdctl") + " --endpoints " + p.Etcd }

// tool returns the name of a program on PATH, else its path beside this one.
func tool(name string) string {
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	self, err := os.Executable()
	if err != nil {
		return name
	}
	beside := filepath.Join(filepath.Dir(self), name)
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, beside); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return beside
}

const nextLines = `
Isthmus is up; Ctrl-C ends it. Paste these into another terminal, in this folder:

  # Services from the manifests in {{.Manifests}}
  {{.Dig "my-service.default.svc.cluster.local" "A"}}
  {{.Dig "my-headless-service.default.svc.cluster.local" "A"}}
  {{.Dig "_http._tcp.my-headless-service.default.svc.cluster.local" "SRV"}}

  # the same Services, mirrored into etcd where CoreDNS's etcd plugin reads them
  {{.Etcdctl}} get --prefix /skydns

  # register one in etcd, and ask DNS for it
  {{.Etcdctl}} put /skydns/local/cluster/cache/a '{"host":"10.30.0.9","port":6379,"ttl":30}'; sleep 1
  {{.Dig "cache.etcd.svc.cluster.local" "A"}}

  # give a pod another address, and ask DNS and etcd again
  sed -i 's/10.244.3.10/10.244.3.11/' {{.Manifests}}/my-app.yaml; sleep 1
  {{.Dig "my-headless-service.default.svc.cluster.local" "A"}}
  {{.Etcdctl}} get --prefix /skydns/local/cluster/svc/default/my-headless-service
`

// ownLines is what to type next for a folder of the user's own.
const ownLines = `
Isthmus serves the Services in {{.Manifests}}; Ctrl-C ends it. Ask for them:

  {{.Dig "SERVICE.NAMESPACE.svc.cluster.local" "A"}}
  {{.Etcdctl}} get --prefix /skydns
`

const consulLines = `
Consul is up, and the Services are in it:

  # its UI, for a browser: {{.Consul}}/ui
  curl -s {{.Consul}}/v1/catalog/service/my-service-default

  # register one in Consul, and ask DNS for it
  curl -s -X PUT -d '{"Name":"db","Address":"10.20.0.7","Port":5432}' {{.Consul}}/v1/agent/service/register; sleep 1
  {{.Dig "db.consul.svc.cluster.local" "A"}}
  {{.Dig "db.consul.svc.cluster.local" "SRV"}}
`

// show writes one of the texts above.
func (p places) show(w io.Writer, text string) error {
	t, err := template.New("lines").Parse(text)
	if err != nil {
		return fmt.Errorf("read the text to show: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("show what to type next: %w", err)
	}
	return nil
}
