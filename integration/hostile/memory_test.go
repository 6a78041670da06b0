package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

// What each program may take at most, in MiB. CoreDNS and bridge take less than 100 at
// first, and memory that is in use may be doubled before the collector runs.
//
//   - What real registries hold here is 130 MB of values of which next to nothing is
//     kept, a page of 64 MiB of them at a time; 100,000 records and 20,000 instances,
//     with what Kubernetes has of them, are 150 MiB; and one answer of 20,000
//     instances has 15 MB, of which four times as much is made. 100,000 instances in
//     ZooKeeper, and 150,000 nodes below one that are nothing, take 300 MiB.
//   - Of answers without end one may have 128 MiB and 31 others 4 MiB each. Decoded
//     they are four times as large. Of a ZooKeeper without end 384 MiB are kept.
const (
	mostOfReal    = 1280
	mostOfEndless = 2048
)

const (
	childNodes = 200
	instances  = 20_000
)

// TestMemory holds that neither program takes more memory than it may, whatever the
// registries send, and that all others are served right meanwhile.
func TestMemory(t *testing.T) {
	w := startRegistries(t)
	if err := w.registerGood(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := until(t.Context(), "what is right", func() error {
		_, err := w.askOnce()
		return errors.Join(err, w.mirrored(t.Context()))
	})
	if err != nil {
		t.Fatal(err)
	}
	w.usage(t, "at first", mostOfReal)
	right := w.ask(t)
	for _, step := range []struct {
		name string
		most int
		do   func(*testing.T)
	}{
		{"values of 10 MB", mostOfReal, w.largeValues},
		{"100,000 keys", mostOfReal, w.manyKeys},
		{"100,000 nodes", mostOfReal, w.manyNodes},
		{"20,000 instances", mostOfReal, w.manyInstances},
		{"a ZooKeeper without end", mostOfEndless, w.babbling},
		{"answers without end", mostOfEndless, w.withoutEnd},
	} {
		begin := time.Now()
		t.Run(step.name, step.do)
		t.Logf("%s: %.1f s", step.name, time.Since(begin).Seconds())
		w.bridge.alive(t)
		w.dns.alive(t)
		w.usage(t, step.name, step.most)
		if err := w.mirrored(t.Context()); err != nil {
			t.Errorf("after %s: %v", step.name, err)
		}
	}
	if n := right(); n < 1000 {
		t.Errorf("%d questions were answered meanwhile, want more", n)
	} else {
		t.Logf("%d questions answered meanwhile, all of them right", n)
	}
	w.bridge.end(t)
	w.dns.end(t)
}

// usage holds what the programs took at most so far to what they may.
func (w *registries) usage(t *testing.T, after string, mostMiB int) {
	t.Helper()
	for _, p := range []*program{w.bridge, w.dns} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]int{}
		for _, m := range regexp.MustCompile(`(VmRSS|VmHWM):\s+(\d+) kB`).FindAllStringSubmatch(string(text), -1) {
			kb, _ := strconv.Atoi(m[2]) // digits
			found[m[1]] = kb >> 10
		}
		t.Logf("%s: %s has %d MiB resident, %d at most", after, p.name, found["VmRSS"], found["VmHWM"])
		if most := found["VmHWM"]; most == 0 || most > mostMiB {
			t.Errorf("%s: %s took %d MiB, want at most %d", after, p.name, most, mostMiB)
		}
	}
}

// largeValues writes values of 10 MB, in each place where there can be one.
func (w *registries) largeValues(t *testing.T) {
	ctx, long := t.Context(), strings.Repeat("a", large)
	for i, value := range []string{
		`{"host":"10.43.0.1","text":"` + long + `"}`,
		`{"host":"` + long + `"}`,
		`{"host":"10.43.0.1","` + long + `":1}`,
		`{"host":"10.43.0.1","isthmus":{"owner":"` + long + `","key":"a/b","of":"x","format":1}}`,
		`{"host":"10.43.0.1","isthmus":{"owner":"other","key":"` + long + `","of":"x","format":1}}`,
		`{"host":"10.43.0.1","isthmus":{"owner":"other","key":"a/b","of":"` + long + `","format":1}}`,
		`{"host":"10.43.0.1","isthmus":{"owner":"other","key":"a/b","of":"x","format":1,"id":"` + long + `"}}`,
		`{"host":"10.43.0.1","isthmus":{"owner":"other","key":"a/b","of":"x","format":1,"hostname":"` + long + `","zone":"` + long[:large/2] + `","app":"` + long[:large/2] + `"}}`,
		long,
		strings.Repeat("[", large),
	} {
		if _, err := w.client.Put(ctx, fmt.Sprintf("%slarge-%d/a", zone, i), value); err != nil {
			t.Fatalf("value %d: %v", i, err)
		}
	}
	for i, key := range []string{long + "/a", "large/" + long, "large/_tcp/_" + long + "/a"} {
		if _, err := w.client.Put(ctx, zone+key, `{"host":"10.43.0.1"}`); err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
	}
	w.largeInConsul(t, long)
	w.largeNodes(t, long)
	w.passes(t, "large")
	w.removeLarge(t)
}

// removeLarge takes all of it away, so that what follows takes its own time.
func (w *registries) removeLarge(t *testing.T) {
	if _, err := w.client.Delete(t.Context(), zone+"a", clientv3.WithRange(zone+"b")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Delete(t.Context(), zone+"large", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	if _, err := request(t.Context(), http.MethodPut, w.consul.URL()+"/v1/catalog/deregister", []byte(`{"Node":"large"}`)); err != nil {
		t.Fatal(err)
	}
}

// largeInConsul registers what is large in Consul, as far as it takes it.
func (w *registries) largeInConsul(t *testing.T, long string) {
	taken := 0
	for i, service := range []map[string]any{
		{"Tags": []string{long}},
		{"Tags": strings.SplitAfter(strings.Repeat("a,", large/20), ",")},
		{"Meta": map[string]string{"a": long}},
		{"Address": long},
		{"TaggedAddresses": map[string]any{"lan": map[string]any{"Address": long, "Port": 80}}},
		{"Meta": map[string]string{"isthmus-owner": long, "isthmus-of": "x", "isthmus-key": "a/b"}},
		{"ID": long},
		{"Service": long},
	} {
		one := map[string]any{"ID": fmt.Sprint("large-", i), "Service": fmt.Sprint("large-", i), "Address": "10.43.0.2", "Port": 80}
		for k, v := range service {
			one[k] = v
		}
		if err := w.register(t.Context(), "large", one, map[string]any{"Name": "large", "Status": "passing", "Output": long[:large/4], "ServiceID": one["ID"]}); err != nil {
			t.Logf("consul refuses %d: %.300s", i, err.Error())
			continue
		}
		taken++
	}
	t.Logf("consul took %d", taken)
}

// manyKeys writes 100,000 records below one name in etcd.
func (w *registries) manyKeys(t *testing.T) {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	writing, ctx := errgroup.WithContext(ctx)
	writing.SetLimit(4)
	for from := 0; from < children; from += 1000 {
		writing.Go(func() error { return w.putChildren(ctx, from, 1000) })
	}
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("written after %.1f s", time.Since(begin).Seconds())
	w.passes(t, "many-keys")
}

// manyInstances registers 20,000 instances of one name in Consul: both programs read
// all of them again after each change, so that a hundred thousand would take minutes to
// be registered, while what no end of them takes is seen by answers without end.
func (w *registries) manyInstances(t *testing.T) {
	begin := time.Now()
	for i := range childNodes {
		if err := w.register(t.Context(), fmt.Sprint("many-", i), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	writing, ctx := errgroup.WithContext(ctx)
	writing.SetLimit(4)
	for from := 0; from < instances; from += 64 {
		writing.Go(func() error { return w.registerChildren(ctx, from, min(64, instances-from)) })
	}
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("written after %.1f s", time.Since(begin).Seconds())
	w.passes(t, "many-instances")
}

func childAddress(registry byte, i int) string {
	return fmt.Sprintf("10.%d.%d.%d", 50+int(registry)+i>>16, i>>8&0xff, i&0xff)
}

func (w *registries) putChildren(ctx context.Context, from, n int) error {
	ops := make([]clientv3.Op, n)
	for i := range ops {
		ops[i] = clientv3.OpPut(fmt.Sprintf("%smany/c%d", zone, from+i), `{"host":"`+childAddress(0, from+i)+`","port":80}`)
	}
	_, err := w.client.Txn(ctx).Then(ops...).Commit()
	return err
}

// registerChildren spreads them over nodes, as a Consul with so many has them: it walks
// a node's instances for each that is registered there.
func (w *registries) registerChildren(ctx context.Context, from, n int) error {
	ops := make(api.TxnOps, n)
	for i := range ops {
		ops[i] = &api.TxnOp{Service: &api.ServiceTxnOp{Verb: api.ServiceSet, Node: fmt.Sprintf("many-%d", (from+i)%childNodes), Service: api.AgentService{
			ID: fmt.Sprint("many-", from+i), Service: "many", Address: childAddress(10, from+i), Port: 80,
		}}}
	}
	body, err := json.Marshal(ops)
	if err == nil {
		_, err = request(ctx, http.MethodPut, w.consul.URL()+"/v1/txn", body)
	}
	return err
}

// passes holds that what is registered now in all comes to all that read them.
func (w *registries) passes(t *testing.T, after string) {
	t.Helper()
	name, ctx := "after-"+after, t.Context()
	if err := w.register(ctx, "good", map[string]any{"ID": name, "Service": name, "Address": "10.44.0.1", "Port": 80}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Put(ctx, zone+name+"-e/a", `{"host":"10.44.0.2","port":80}`); err != nil {
		t.Fatal(err)
	}
	if err := node(w.znodes, "/services/"+name+"-z/a", instanceAt("10.44.0.3")); err != nil {
		t.Fatal(err)
	}
	err := until(ctx, "what comes after", func() error {
		return errors.Join(w.answered(name, "consul", "10.44.0.1"), w.answered(name+"-e", "etcd", "10.44.0.2"), w.answered(name+"-z", "zookeeper", "10.44.0.3"),
			w.holds(ctx, "hostile", name, "10.44.0.1"), w.holds(ctx, "hostile", name+"-e", "10.44.0.2"), w.holds(ctx, "hostile", name+"-z", "10.44.0.3"))
	})
	if err != nil {
		t.Error(err)
	}
}

// withoutEnd has two registries answer without an end for a time, and then as they
// should.
func (w *registries) withoutEnd(t *testing.T) {
	w.endless.stage.Store(babbling)
	select {
	case <-time.After(15 * time.Second):
	case <-t.Context().Done():
	}
	e := w.endless
	for i, registry := range []string{"Consul", "etcd"} {
		t.Logf("%s: %d answers without end, %d MiB", registry, e.begun[i].Load(), e.sent[i].Load()>>20)
		if e.begun[i].Load() < 2 {
			t.Errorf("%s was asked %d times, want more", registry, e.begun[i].Load())
		}
	}
	w.usage(t, "without end", mostOfEndless)
	e.stage.Store(through)
	err := until(t.Context(), "what ends at last", func() error {
		return errors.Join(w.holds(t.Context(), "endless", late+"-0", "10.45.0.1"), w.holds(t.Context(), "endless", late, "10.45.0.2"))
	})
	if err != nil {
		t.Error(err)
	}
}

// babbling has what is no ZooKeeper answer in every way, and then the one that it stands
// before.
func (w *registries) babbling(t *testing.T) {
	e := w.endless
	e.turn(babbling)
	want := int64(len((*babbler)(nil).ways()) + 1) // so that the last is over
	err := until(t.Context(), "what is no ZooKeeper is asked", func() error {
		if n := e.begun[2].Load(); n < want {
			return fmt.Errorf("%d times, want %d", n, want)
		}
		return nil
	})
	t.Logf("%d answers without end, %d MiB", e.begun[2].Load(), e.sent[2].Load()>>20)
	e.turn(through)
	err = errors.Join(err, until(t.Context(), "what is one at last", func() error {
		return w.holds(t.Context(), "endless", "zk-"+late, "10.45.0.3")
	}))
	if err != nil {
		t.Error(err)
	}
}
