package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// targets are the registries into which bridges mirror the world. They are
// started once and serve all rows: filling them takes long.
type targets struct {
	consul *servers.Consul
	etcd   *servers.Etcd
	client *clientv3.Client // of etcd
	full   bool             // the world stands in Consul
}

// startTargets starts what does not run yet. stop ends it.
func (b *bench) startTargets(ctx context.Context) (err error) {
	t := &b.targets
	if t.consul == nil {
		if t.consul, err = servers.StartConsul(ctx, servers.Options{Log: b.log}); err != nil {
			return err
		}
	}
	if t.etcd == nil {
		if t.etcd, err = servers.StartEtcd(ctx, servers.Options{Log: b.log}); err != nil {
			return err
		}
	}
	if t.client == nil {
		t.client, err = clientv3.New(clientv3.Config{Endpoints: []string{t.etcd.Endpoint()}, DialTimeout: 5 * time.Second})
	}
	return err
}

func (t targets) pids() (all []int) {
	if t.consul != nil {
		all = append(all, t.consul.PID())
	}
	if t.etcd != nil {
		all = append(all, t.etcd.PID())
	}
	return all
}

func (t targets) stop() error {
	var errs []error
	if t.client != nil {
		errs = append(errs, t.client.Close())
	}
	if t.consul != nil {
		errs = append(errs, t.consul.Stop())
	}
	if t.etcd != nil {
		errs = append(errs, t.etcd.Stop())
	}
	return errors.Join(errs...)
}

// written is what only a write moves, as the servers count it: Consul's indexes
// of all services, checks and nodes, and the revision of etcd.
type written struct{ consul, etcd int64 }

func (t targets) written(ctx context.Context) (w written, err error) {
	for _, path := range []string{"/v1/catalog/services", "/v1/health/state/any?filter=Node==none", "/v1/catalog/nodes?filter=Node==none"} {
		index, err := indexOf(ctx, t.consul.URL()+path)
		if err != nil {
			return w, err
		}
		w.consul = max(w.consul, int64(index))
	}
	answer, err := t.client.Get(ctx, "/", clientv3.WithCountOnly())
	if err != nil {
		return w, fmt.Errorf("ask etcd for its revision: %w", err)
	}
	w.etcd = answer.Header.Revision
	return w, nil
}

// held returns how many instances Consul holds and how many of the world's keys
// etcd does.
func (t targets) held(ctx context.Context) (consul, etcd int, err error) {
	text, err := fetch(ctx, t.consul.URL()+"/v1/operator/usage")
	if err != nil {
		return 0, 0, err
	}
	var u struct {
		Usage map[string]struct{ ServiceInstances int }
	}
	if err := json.Unmarshal(text, &u); err != nil {
		return 0, 0, fmt.Errorf("read Consul's usage: %w", err)
	}
	answer, err := t.client.Get(ctx, "/skydns/local/cluster/svc/ns-", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		return 0, 0, fmt.Errorf("count keys: %w", err)
	}
	return u.Usage["dc1"].ServiceInstances, int(answer.Count), nil
}
