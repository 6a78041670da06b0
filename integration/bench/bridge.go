package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	bridgeGroup = "bridge" // before the names of its rows
	lookEvery   = 100 * time.Millisecond
	fillLimit   = 10 * time.Minute // of one first sync
)

// mirroring is what a bridge is told to do.
type mirroring struct {
	kubeconfig string
	consul     string // URL; empty: none
	etcd       string // URL; empty: none
	zookeeper  string // HOST:PORT; empty: none
	auth       string // file with a user of ZooKeeper; empty: nobody
	inward     bool   // from Consul or ZooKeeper to Kubernetes, and not outward
	compare    time.Duration
	metrics    string
}

// file returns the bridge's file. Only the world's own services are mirrored.
func (m mirroring) file() string {
	var s strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&s, "    "+format+"\n", args...) }
	compare := ""
	if m.compare > 0 {
		compare = fmt.Sprintf("compare %v", m.compare)
	}
	fmt.Fprintln(&s, "bridge bench {")
	line("kubernetes prod {\n        kubeconfig %s\n        %s\n    }", m.kubeconfig, compare)
	if m.consul != "" {
		line("consul dc1 %s {\n        %s\n    }", m.consul, compare)
	}
	if m.etcd != "" {
		line("etcd edge %s {\n        %s\n    }", m.etcd, compare)
	}
	if m.zookeeper != "" {
		auth := ""
		if m.auth != "" {
			auth = "auth_file " + m.auth
		}
		line("zookeeper zk %s {\n        %s\n        %s\n    }", m.zookeeper, auth, compare)
	}
	for _, other := range m.others() {
		if m.inward {
			line("mirror %s kubernetes/prod {\n        names app-*\n        namespace %s\n        create_namespace\n    }", other, inwardNamespace)
		} else {
			line("mirror kubernetes/prod %s {\n        namespaces ns-*\n    }", other)
		}
	}
	line("lead none")
	line("metrics %s", m.metrics)
	fmt.Fprintln(&s, "}")
	return s.String()
}

// others returns the registries of the file but Kubernetes.
func (m mirroring) others() (all []string) {
	for _, one := range []struct{ name, address string }{{"consul/dc1", m.consul}, {"etcd/edge", m.etcd}, {"zookeeper/zk", m.zookeeper}} {
		if one.address != "" {
			all = append(all, one.name)
		}
	}
	return all
}

// mirrorer is a running bridge.
type mirrorer struct {
	*process
	begun time.Time
	url   string // of its metrics and readiness
	rules int
	log   func(string)
}

// startBridge starts a bridge on any core. The caller stops it.
func (b *bench) startBridge(ctx context.Context, m mirroring) (*mirrorer, error) {
	program := filepath.Join(b.tmp, "isthmus")
	if _, err := os.Stat(program); err != nil {
		if err := compile(ctx, module+"/build/isthmus", program, b.log); err != nil {
			return nil, err
		}
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	m.metrics = local(port)
	dir, err := os.MkdirTemp(b.tmp, "bridge-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	conf := filepath.Join(dir, "bridge.conf")
	if err := os.WriteFile(conf, []byte(m.file()), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "bridge", "-conf", conf)
	cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	begun := time.Now()
	p, err := launch(cmd, filepath.Join(dir, "log"), b.serverCore, b.restCore)
	if err != nil {
		return nil, err
	}
	return &mirrorer{process: p, begun: begun, url: "http://" + m.metrics, rules: strings.Count(m.file(), "mirror "), log: b.log}, nil
}

// progress is what a bridge says of its rules.
type progress struct {
	blocked, same, pending float64
	puts, deletes          float64 // since its start
}

func (m *mirrorer) progress(ctx context.Context) (p progress, err error) {
	text, err := fetch(ctx, m.url+"/metrics")
	if err != nil {
		return p, err
	}
	for name, to := range map[string]*float64{
		"blocked": &p.blocked, "same": &p.same, "pending": &p.pending,
		"puts_total": &p.puts, "deletes_total": &p.deletes,
	} {
		*to = sum(string(text), "isthmus_rule_"+name)
	}
	return p, nil
}

// settled waits until every rule has its mirrors as they should be, want of
// each, and returns how long after the bridge's start that was.
func (m *mirrorer) settled(ctx context.Context, what string, want int) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fillLimit, fmt.Errorf("%s: not settled after %v", what, fillLimit))
	defer cancel()
	said := time.Now()
	for {
		p, err := m.progress(ctx)
		taken := time.Since(m.begun)
		if err == nil && p.blocked == 0 && p.pending == 0 && int(p.same) == want*m.rules {
			return taken, nil
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			m.log(fmt.Sprintf("%s: %.0f of %d mirrors after %.0f s", what, p.same, want*m.rules, taken.Seconds()))
		}
		if err := errors.Join(m.alive(), sleep(ctx, lookEvery)); err != nil {
			return 0, errors.Join(context.Cause(ctx), err)
		}
	}
}

// ready waits until the bridge says that it is, and returns how long after its
// start that was.
func (m *mirrorer) ready(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, fillLimit)
	defer cancel()
	for {
		_, err := fetch(ctx, m.url+"/readyz")
		if err == nil {
			return time.Since(m.begun), nil
		}
		if err := errors.Join(m.alive(), sleep(ctx, lookEvery/10)); err != nil {
			return 0, fmt.Errorf("wait until the bridge is ready: %w", err)
		}
	}
}

// indexOf returns Consul's index of what a path lists: it moves whenever any of
// that is written.
func indexOf(ctx context.Context, url string) (uint64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	var index uint64
	if _, err := fmt.Sscan(answer.Header.Get("X-Consul-Index"), &index); err != nil {
		return 0, fmt.Errorf("get %q: %s, without an index", url, answer.Status)
	}
	return index, nil
}
