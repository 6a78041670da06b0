package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

const inZone = "/skydns/local/cluster/svc/" + space + "/"

// etcdTarget is an etcd, as who may do everything sees it.
type etcdTarget struct {
	server         *servers.Etcd
	owner, etcdctl string
	client         *clientv3.Client
}

func newEtcdTarget(t *testing.T, owner, etcdctl string) *etcdTarget {
	e := &etcdTarget{server: serverstest.Etcd(t), owner: owner, etcdctl: etcdctl}
	var err error
	if e.client, err = clientv3.New(clientv3.Config{Endpoints: e.servers()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.client.Close() }) // not this one: see grant
	return e
}

func (e *etcdTarget) name() string      { return "etcd" }
func (e *etcdTarget) origin() string    { return "etcd/edge" }
func (e *etcdTarget) servers() []string { return []string{e.server.Endpoint()} }

func (e *etcdTarget) before(g *gate, server string) (string, func(), error) {
	w, stop, err := newWire(g, e.name(), server, nil)
	if err != nil {
		return "", nil, err
	}
	return w.addr, stop, nil
}

func (e *etcdTarget) stanza(at []string, folder string) string {
	return fmt.Sprintf(`etcd edge http://%s {
        user_file %s/user
        compare 20s
    }`, at[0], folder)
}

// grant runs the commands that are printed, makes users, and turns access control on.
// From then on the target is asked as root.
func (e *etcdTarget) grant(ctx context.Context, rights, folder string) error {
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", strings.ReplaceAll(rights, "etcdctl ", `"$ETCDCTL" `))
	cmd.Env = append(os.Environ(), "ETCDCTL="+e.etcdctl, "ETCDCTL_ENDPOINTS="+e.server.Endpoint())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, step := range []func() error{
		func() error { _, err := e.client.UserAdd(ctx, "root", "root"); return err },
		func() error { _, err := e.client.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := e.client.UserAdd(ctx, "bridge", "secret"); return err },
		func() error { _, err := e.client.UserGrantRole(ctx, "bridge", "isthmus-"+e.owner); return err },
		func() error { _, err := e.client.AuthEnable(ctx); return err },
		func() error { return os.WriteFile(filepath.Join(folder, "user"), []byte("bridge:secret"), 0o600) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return e.renew()
}

// renew replaces the client by one with all rights.
func (e *etcdTarget) renew() error {
	soon := grpc.WithConnectParams(grpc.ConnectParams{ // by default it looks for a server that was away once in two minutes
		Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second}, MinConnectTimeout: time.Second,
	})
	client, err := clientv3.New(clientv3.Config{
		Endpoints: e.servers(), Username: "root", Password: "root", Logger: zap.NewNop(), DialOptions: []grpc.DialOption{soon},
	})
	if err != nil {
		return err
	}
	_ = e.client.Close()
	e.client = client
	return nil
}

func (e *etcdTarget) get(ctx context.Context, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return e.client.Get(ctx, inZone, append(opts, clientv3.WithPrefix())...)
}

func (e *etcdTarget) births(ctx context.Context) (map[string]string, error) {
	answer, err := e.get(ctx, clientv3.WithKeysOnly())
	if err != nil {
		return nil, err
	}
	all := oldest{}
	for _, kv := range answer.Kvs {
		all.add(nameOf(kv.Key), uint64(kv.CreateRevision))
	}
	return all.texts(), nil
}

func nameOf(key []byte) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(string(key), inZone), "/")
	return name
}

func (e *etcdTarget) held(ctx context.Context) (map[string][]string, error) {
	answer, err := e.get(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, kv := range answer.Kvs {
		var record struct{ Host string }
		if err := json.Unmarshal(kv.Value, &record); err != nil {
			return nil, fmt.Errorf("%s: %w", kv.Key, err)
		}
		if name := nameOf(kv.Key); !slices.Contains(all[name], record.Host) {
			all[name] = append(all[name], record.Host)
		}
	}
	return sortAll(all), nil
}

func (e *etcdTarget) version(ctx context.Context) (string, error) {
	revision, err := e.revision(ctx)
	return fmt.Sprint(revision), err
}

// revision is of the whole etcd.
func (e *etcdTarget) revision(ctx context.Context) (int64, error) {
	answer, err := e.get(ctx, clientv3.WithCountOnly())
	if err != nil {
		return 0, err
	}
	return answer.Header.Revision, nil
}
