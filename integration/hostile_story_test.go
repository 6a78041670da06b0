package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	mdns "github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

const (
	goods    = 50 // services in each registry that stay right throughout; 100 in ZooKeeper
	zoneBase = "/skydns/local/cluster/"
)

// besides NAMESPACE writes what is hostile into Consul, etcd and ZooKeeper, changes it and
// takes it away, beside services that are in order. All the while these are asked
// for over DNS and looked for in the namespace that they are mirrored to. What is
// to be refused stands in the bridge's status while it is there, and nothing does
// in the end.
func besides(ts *testscript.TestScript, args []string) ([]byte, error) {
	h := &hostility{ts: ts, space: args[0], znodes: ts.Value(storyKey{}).(*story).znodes}
	var err error
	if h.etcd, err = clientv3.New(clientv3.Config{Endpoints: []string{ts.Getenv("ETCD")}, MaxCallSendMsgSize: 4 << 20}); err != nil {
		return nil, err
	}
	defer h.etcd.Close()
	if err := h.registerGood(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var asking sync.WaitGroup
	asking.Go(func() { h.askAll(ctx) })
	for _, step := range []func() error{
		h.comeNames, h.leave, h.comeValues, h.change, h.leave,
		h.comeNodes, h.leave, h.comeInstances, h.changeInstances, h.leave, h.comeCrowd, h.leave,
	} {
		if err = step(); err != nil {
			break
		}
	}
	cancel()
	asking.Wait()
	if err = errors.Join(err, h.wrong); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "hostile records written %d, shown refused %d; good services asked for %d times, wrong 0\n", h.written, h.shown, h.asked), nil
}

type hostility struct {
	ts      *testscript.TestScript
	space   string
	etcd    *clientv3.Client
	znodes  znodes
	written int
	shown   int

	asked int   // of the goroutine that asks, until it ended
	wrong error // likewise
}

// inAll are the registries with good services, each as often as it has goods of them.
func inAll() []string { return []string{"consul", "etcd", "zookeeper"} }

func (h *hostility) registered(registry string) int {
	if registry == "zookeeper" {
		return 2 * goods
	}
	return goods
}

func good(registry string, i int) (name, address string) {
	return fmt.Sprintf("good-%s-%d", registry, i), fmt.Sprintf("10.41.%d.%d", len(registry), i+1)
}

func (h *hostility) registerGood() error {
	for i := range goods {
		name, address := good("consul", i)
		if err := h.register("good", name, name, address); err != nil {
			return err
		}
		name, address = good("etcd", i)
		if err := h.put(name+"/a", `{"host":"`+address+`","port":80}`); err != nil {
			return err
		}
	}
	for i := range h.registered("zookeeper") {
		name, address := good("zookeeper", i)
		if err := h.znodes.put("/services/"+name+"/a", `{"address":"`+address+`","port":80}`); err != nil {
			return err
		}
	}
	return h.until("all that is good", h.askOnce)
}

// until waits for what becomes true.
func (h *hostility) until(what string, do func() error) error {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := do()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}

func (h *hostility) register(node, id, name, address string) error {
	body, err := json.Marshal(map[string]any{"Node": node, "Address": "10.42.0.1", "SkipNodeUpdate": false,
		"Service": map[string]any{"ID": id, "Service": name, "Address": address, "Port": 80}})
	if err != nil {
		return err
	}
	_, err = request(http.MethodPut, h.ts.Getenv("CONSUL")+"/v1/catalog/register", "", "", body)
	return err
}

func (h *hostility) put(key, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := h.etcd.Put(ctx, zoneBase+key, value)
	return err
}

// askAll asks for all services in order again and again.
func (h *hostility) askAll(ctx context.Context) {
	for ctx.Err() == nil && h.wrong == nil {
		h.wrong = h.askOnce()
	}
}

func (h *hostility) askOnce() error {
	client := mdns.Client{Timeout: 5 * time.Second}
	for _, registry := range inAll() {
		for i := range h.registered(registry) {
			name, address := good(registry, i)
			m := new(mdns.Msg)
			m.SetQuestion(name+"."+registry+".svc.cluster.local.", mdns.TypeA)
			answer, _, err := client.Exchange(m, h.ts.Getenv("DNS"))
			if err != nil || len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "\t"+address) {
				return fmt.Errorf("%s is not %s alone: %v, %v", m.Question[0].Name, address, err, answer)
			}
			h.asked++
		}
	}
	text, err := request(http.MethodGet, h.ts.Getenv("KUBE")+"/apis/discovery.k8s.io/v1/namespaces/"+h.space+"/endpointslices", h.ts.Getenv("KUBE_TOKEN"), "", nil)
	if err != nil {
		return err
	}
	for _, registry := range inAll() {
		for i := range h.registered(registry) {
			if name, address := good(registry, i); !strings.Contains(string(text), `"`+address+`"`) {
				return fmt.Errorf("%s with %s is not in Kubernetes", name, address)
			}
			h.asked++
		}
	}
	return nil
}

// comeNames writes every name, of a service and of a node.
func (h *hostility) comeNames() error {
	for i, name := range hostile.Names() {
		if h.put(name+"/a", `{"host":"10.43.0.1"}`) == nil {
			h.written++
		}
		if h.register("hostile", fmt.Sprint("n", i), name, "10.43.0.2") == nil {
			h.written++
		}
		if h.register(name, "on-hostile", fmt.Sprint("on-hostile-", i), "10.43.0.3") == nil {
			h.written++
		}
	}
	upper := zoneBase + "MiXeD/a"
	return h.refused(map[string][]string{
		"etcd/edge":  {zoneBase + "-/a", zoneBase + "a\nb/a", upper, zoneBase + strings.Repeat("a", 64) + "/a"},
		"consul/dc1": {"..", "a\nb", "a/b", "b\u00fccher"},
	})
}

// comeValues writes every value.
func (h *hostility) comeValues() error {
	var etcd, consul []string
	for i, v := range hostile.Values() {
		key := fmt.Sprintf("hostile-%d/a", i)
		if err := h.put(key, v.Text); err != nil {
			return err
		}
		h.written++
		if !v.Fit {
			etcd = append(etcd, zoneBase+key)
		}
	}
	for i, host := range hostile.Hosts() {
		var text string
		if json.Unmarshal([]byte(`"`+host+`"`), &text) != nil {
			continue
		}
		if h.register("hostile", fmt.Sprint("h", i), fmt.Sprint("hostile-", i), text) == nil {
			h.written++
			consul = append(consul, fmt.Sprintf("hostile/h%d", i))
		}
	}
	return h.refused(map[string][]string{"etcd/edge": etcd, "consul/dc1": consul})
}

// refused waits until the status names what it should, or some of many.
func (h *hostility) refused(want map[string][]string) error {
	return h.until("refusals shown", func() (err error) {
		found, err := h.status()
		if err != nil {
			return err
		}
		shown := 0
		for origin, all := range want {
			for _, record := range all {
				if !slices.Contains(found[origin], record) {
					err = errors.Join(err, fmt.Errorf("%s: %.100q is not shown to be refused", origin, record))
					continue
				}
				shown++
			}
		}
		if err == nil {
			h.shown += shown
		}
		return err
	})
}

// statusReport is what of a bridge's status counts here.
type statusReport struct {
	Origins []struct {
		Origin    string
		Connected bool
		Error     string
		Refused   struct {
			Count   int
			Records []struct{ Record string }
		}
	}
}

// status returns the refused records of each registry, but for those of the API
// server, which is everybody's.
func (h *hostility) status() (map[string][]string, error) {
	text, err := request(http.MethodGet, "http://"+h.ts.Getenv("ADMIN")+"/status", "", "", nil)
	if err != nil {
		return nil, err
	}
	var report statusReport
	if err := json.Unmarshal(text, &report); err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, o := range report.Origins {
		if !o.Connected {
			return nil, fmt.Errorf("%s is lost: %s", o.Origin, o.Error)
		}
		for _, r := range o.Refused.Records {
			if o.Origin == "kubernetes/prod" {
				break
			}
			found[o.Origin] = append(found[o.Origin], r.Record)
		}
	}
	return found, nil
}

// change has what is written say something else, many times over.
func (h *hostility) change() error {
	values := hostile.Values()
	for round := range 3 {
		for i := range values {
			if err := h.put(fmt.Sprintf("hostile-%d/a", i), values[(i+round+1)%len(values)].Text); err != nil {
				return err
			}
			h.written++
		}
		for i := range 30 {
			if err := h.register("hostile", fmt.Sprint("h", i), fmt.Sprint("hostile-", i+round+1), "127.0.0.1"); err != nil {
				return err
			}
			h.written++
		}
	}
	return nil
}

// leave takes all of it away and waits until nothing is refused.
func (h *hostility) leave() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	all, err := h.etcd.Get(ctx, zoneBase, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	for _, kv := range all.Kvs {
		if !strings.HasPrefix(string(kv.Key), zoneBase+"good-") {
			if _, err := h.etcd.Delete(ctx, string(kv.Key)); err != nil {
				return err
			}
		}
	}
	for _, node := range append(hostile.Names(), "hostile") {
		body, err := json.Marshal(map[string]string{"Node": node})
		if err != nil {
			return err
		}
		_, _ = request(http.MethodPut, h.ts.Getenv("CONSUL")+"/v1/catalog/deregister", "", "", body) // some were never taken
	}
	if err := h.leaveNodes(); err != nil {
		return err
	}
	return h.until("nothing refused", func() error {
		found, err := h.status()
		if err == nil && len(found) > 0 {
			err = fmt.Errorf("still refused: %.1000q", found)
		}
		return err
	})
}
