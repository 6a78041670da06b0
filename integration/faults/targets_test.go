package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// target is a registry that the bridge writes to, as somebody sees it who asks the
// server itself.
type target interface {
	// births says when each service was made, by name, where one can be found.
	births(ctx context.Context) (map[string]string, error)
	// held returns the addresses of each service, sorted.
	held(ctx context.Context) (map[string][]string, error)
	// version changes with whatever is written.
	version(ctx context.Context) (string, error)
}

// oldest keeps the least number of each name.
type oldest map[string]uint64

func (o oldest) add(name string, number uint64) {
	if old, there := o[name]; !there || number < old {
		o[name] = number
	}
}

func (o oldest) texts() map[string]string {
	all := make(map[string]string, len(o))
	for name, number := range o {
		all[name] = fmt.Sprint(number)
	}
	return all
}

func sortAll(all map[string][]string) map[string][]string {
	for _, addresses := range all {
		slices.Sort(addresses)
	}
	return all
}

// consulTarget is a Consul, as who may do everything sees it.
type consulTarget struct {
	url, owner string
	token      string
}

func (c *consulTarget) ask(ctx context.Context, method, path string, in io.Reader, out any) (index string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, in)
	if err != nil {
		return "", err
	}
	r.Header.Set("X-Consul-Token", c.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch to, raw := out.(*bytes.Buffer); {
	case err != nil:
		return "", err
	case answer.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%s %s: %s %s", method, path, answer.Status, text)
	case raw:
		_, err = to.Write(text)
	case out != nil:
		err = json.Unmarshal(text, out)
	}
	return answer.Header.Get("X-Consul-Index"), err
}

// births are those of passing checks, of which each instance has one.
func (c *consulTarget) births(ctx context.Context) (map[string]string, error) {
	var checks []struct {
		CheckID, ServiceName, Status string
		CreateIndex                  uint64
	}
	if _, err := c.ask(ctx, http.MethodGet, "/v1/health/state/passing?consistent", nil, &checks); err != nil {
		return nil, err
	}
	all := oldest{}
	for _, check := range checks {
		if name, ours := strings.CutSuffix(check.ServiceName, "-"+space); ours {
			all.add(name, check.CreateIndex)
		}
	}
	return all.texts(), nil
}

func (c *consulTarget) held(ctx context.Context) (map[string][]string, error) {
	return c.instances(ctx, `"isthmus-owner" in Meta`)
}

// instances returns those on the nodes that a filter chooses.
func (c *consulTarget) instances(ctx context.Context, filter string) (map[string][]string, error) {
	var nodes []struct{ Node string }
	if _, err := c.ask(ctx, http.MethodGet, "/v1/catalog/nodes?consistent&filter="+url.QueryEscape(filter), nil, &nodes); err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, n := range nodes {
		var on struct {
			Services []struct{ Service, Address string }
		}
		if _, err := c.ask(ctx, http.MethodGet, "/v1/catalog/node-services/"+n.Node+"?consistent", nil, &on); err != nil {
			return nil, err
		}
		for _, s := range on.Services {
			name := strings.TrimSuffix(s.Service, "-"+space)
			all[name] = append(all[name], s.Address)
		}
	}
	return sortAll(all), nil
}

func (c *consulTarget) version(ctx context.Context) (string, error) {
	var all []string
	for _, path := range []string{"/v1/catalog/nodes", "/v1/catalog/services", "/v1/health/state/any"} {
		index, err := c.ask(ctx, http.MethodGet, path+"?consistent", nil, nil)
		if err != nil {
			return "", err
		}
		all = append(all, index)
	}
	return strings.Join(all, " "), nil
}

const inZone = "/skydns/local/cluster/svc/" + space + "/"

// etcdTarget is an etcd.
type etcdTarget struct{ client *clientv3.Client }

// renew replaces the client by one with all rights.
func (e *etcdTarget) renew(endpoint string) error {
	soon := grpc.WithConnectParams(grpc.ConnectParams{ // by default it looks for a server that was away once in two minutes
		Backoff: backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second}, MinConnectTimeout: time.Second,
	})
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint}, Username: "root", Password: "root", Logger: zap.NewNop(), DialOptions: []grpc.DialOption{soon},
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

// kubeTarget is a namespace of the cluster.
type kubeTarget struct {
	api       kubernetes.Interface
	namespace string
}

// births are those of Services with an address.
func (k *kubeTarget) births(ctx context.Context) (map[string]string, error) {
	held, err := k.held(ctx)
	if err != nil {
		return nil, err
	}
	services, err := k.api.CoreV1().Services(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, s := range services.Items {
		if len(held[s.Name]) > 0 {
			all[s.Name] = string(s.UID)
		}
	}
	return all, nil
}

func (k *kubeTarget) held(ctx context.Context) (map[string][]string, error) {
	list, err := k.api.DiscoveryV1().EndpointSlices(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, s := range list.Items {
		name := s.Labels[discoveryv1.LabelServiceName]
		for _, e := range s.Endpoints {
			all[name] = append(all[name], e.Addresses...)
		}
	}
	return sortAll(all), nil
}

func (k *kubeTarget) version(ctx context.Context) (string, error) {
	services, err := k.api.CoreV1().Services(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	list, err := k.api.DiscoveryV1().EndpointSlices(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	fences, err := k.api.CoreV1().ConfigMaps("isthmus").List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	var all []string
	for _, f := range fences.Items {
		if f.Name == "isthmus-fence-"+strings.TrimPrefix(k.namespace, "in-") { // not another world's
			all = append(all, f.Name+"="+f.ResourceVersion)
		}
	}
	for _, s := range services.Items {
		all = append(all, s.Name+"="+s.ResourceVersion)
	}
	for _, s := range list.Items {
		all = append(all, s.Name+"="+s.ResourceVersion)
	}
	slices.Sort(all)
	return strings.Join(all, " "), nil
}

// differences names what is not as it should be, a few of it.
func differences(want, got map[string][]string) string {
	var all []string
	for name, addresses := range want {
		if !slices.Equal(got[name], addresses) {
			all = append(all, fmt.Sprintf("%s has %v, should have %v", name, got[name], addresses))
		}
	}
	for name, addresses := range got {
		if _, there := want[name]; !there {
			all = append(all, fmt.Sprintf("%s has %v, should not be", name, addresses))
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("%d services differ: %s", len(all), strings.Join(all[:min(len(all), 5)], "; "))
}
