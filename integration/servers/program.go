package servers

import (
	"fmt"
	"strings"
)

// Program is one thing that Build can build. Its value is the name of the executable.
type Program string

// The programs.
const (
	EtcdServer        Program = "etcd"
	Etcdctl           Program = "etcdctl"
	Etcdutl           Program = "etcdutl"
	ConsulAgent       Program = "consul"
	CoreDNS           Program = "coredns" // the stock one, which ours is measured against
	APIServer         Program = "kube-apiserver"
	ControllerManager Program = "kube-controller-manager"
)

// Programs returns every program, the quickest to build first.
func Programs() []Program {
	return []Program{EtcdServer, Etcdctl, Etcdutl, CoreDNS, ConsulAgent, APIServer, ControllerManager}
}

// source tells where a program comes from.
type source struct {
	folder  string // below modules
	module  string // its version in folder's go.mod is the program's version
	main    string // import path of the main package
	minutes int    // a cold build on two cores, rounded up; for people who wait
}

func (p Program) source() (source, error) {
	switch p {
	case EtcdServer:
		return source{"etcd", "go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3", 1}, nil
	case Etcdctl:
		return source{"etcd", "go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdctl/v3", 1}, nil
	case Etcdutl:
		return source{"etcd", "go.etcd.io/etcd/etcdutl/v3", "go.etcd.io/etcd/etcdutl/v3", 1}, nil
	case CoreDNS:
		return source{"coredns", "github.com/coredns/coredns", "github.com/coredns/coredns", 3}, nil
	case ConsulAgent:
		return source{"consul", "github.com/hashicorp/consul", "github.com/hashicorp/consul", 5}, nil
	case APIServer:
		return source{"kubernetes", "k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 5}, nil
	case ControllerManager:
		return source{"kubernetes", "k8s.io/kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 2}, nil
	}
	return source{}, fmt.Errorf("servers: no program is called %q", p)
}

// linkerFlags strips the program and, for Kubernetes, says its version: its packages know none when built as a dependency.
func (s source) linkerFlags(version string) string {
	flags := "-s -w"
	if s.module != "k8s.io/kubernetes" {
		return flags
	}
	part := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	for i, name := range []string{"gitMajor", "gitMinor"} {
		if i < len(part) {
			flags += " -X k8s.io/component-base/version." + name + "=" + part[i]
		}
	}
	return flags + " -X k8s.io/component-base/version.gitVersion=" + version
}

// pinned returns the version that the text of a go.mod requires of module.
func pinned(goMod, module string) (string, error) {
	for line := range strings.Lines(goMod) {
		word := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(word) >= 2 && word[0] == module && strings.HasPrefix(word[1], "v") {
			return word[1], nil
		}
	}
	return "", fmt.Errorf("no version of %q is required", module)
}
