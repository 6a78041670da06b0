package faults

import (
	"bytes"
	"cmp"
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
	answer, err := e.get(ctx, clientv3.WithCountOnly())
	if err != nil {
		return "", err
	}
	return fmt.Sprint(answer.Header.Revision), nil
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
	var all []string
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

// watch looks at one target again and again for services that went although they
// live.
type watch struct {
	name string
	target
	deleted func(name string) bool

	mu     chan struct{}     // holds one token; who has it may use what follows
	last   map[string]string // births
	looks  int
	losses []string
}

func newWatch(name string, t target, deleted func(string) bool) *watch {
	w := &watch{name: name, target: t, deleted: deleted, mu: make(chan struct{}, 1)}
	w.mu <- struct{}{}
	return w
}

// run looks once a second until ctx ends. A server that is away is asked again.
func (w *watch) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		_ = w.look(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

func (w *watch) look(ctx context.Context) error {
	<-w.mu
	defer func() { w.mu <- struct{}{} }()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	got, err := w.births(ctx)
	if err != nil {
		return err
	}
	w.judge(got)
	return nil
}

func (w *watch) judge(got map[string]string) {
	for name, born := range w.last {
		if got[name] != born && !w.deleted(name) {
			w.losses = append(w.losses, fmt.Sprintf("%s at %s: %s: made at %s, then at %s",
				w.name, time.Now().UTC().Format(time.TimeOnly), name, born, cmp.Or(got[name], "never")))
		}
	}
	w.last = got
	w.looks++
}

// aside has f do to the server what no bridge does, and goes on from what is there
// afterwards.
func (w *watch) aside(ctx context.Context, f func() error) error {
	if err := w.look(ctx); err != nil {
		return fmt.Errorf("look at %s: %w", w.name, err)
	}
	<-w.mu
	defer func() { w.mu <- struct{}{} }()
	if err := f(); err != nil {
		return err
	}
	return until(ctx, 30*time.Second, "look at "+w.name, func() (err error) {
		w.last, err = w.births(ctx)
		return err
	})
}

// until tries until f succeeds, and returns its last error after limit.
func until(ctx context.Context, limit time.Duration, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v: %w", what, limit, err)
		}
	}
}

// pause waits, or for ctx's end.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
