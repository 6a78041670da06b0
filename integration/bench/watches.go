package main

import (
	"context"
	"encoding/json"
	"fmt"
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

// inConsul watches as Consul's users do, by blocking queries for the healthy
// and unhealthy instances of one service.
func inConsul(consul string) watch {
	return func(ctx context.Context, want shown) (<-chan sighting, error) {
		path := consul + "/v1/health/service/" + url.PathEscape(want.name+"-"+want.namespace)
		index, _, err := instances(ctx, path)
		if err != nil {
			return nil, err
		}
		seen := make(chan sighting, 1)
		go func() {
			for {
				next, addresses, err := instances(ctx, fmt.Sprintf("%s?wait=30s&index=%d", path, index))
				if err != nil || slices.Contains(addresses, want.address) == want.there {
					seen <- sighting{time.Now(), err}
					return
				}
				index = next
			}
		}()
		return seen, nil
	}
}

// instances asks Consul for the addresses of a service's instances.
func instances(ctx context.Context, path string) (index uint64, addresses []string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return 0, nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	defer answer.Body.Close()
	var all []struct{ Service struct{ Address string } }
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		return 0, nil, fmt.Errorf("ask Consul: %s: %w", answer.Status, err)
	}
	for _, one := range all {
		addresses = append(addresses, one.Service.Address)
	}
	_, err = fmt.Sscan(answer.Header.Get("X-Consul-Index"), &index)
	return index, addresses, err
}

// inEtcd watches the keys of one service.
func inEtcd(client *clientv3.Client) watch {
	return func(ctx context.Context, want shown) (<-chan sighting, error) {
		prefix := fmt.Sprintf("/skydns/local/cluster/svc/%s/%s/", want.namespace, want.name)
		answers := client.Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify())
		if first, ok := <-answers; !ok || first.Err() != nil {
			return nil, fmt.Errorf("watch etcd: %w", context.Cause(ctx))
		}
		seen := make(chan sighting, 1)
		go func() {
			for a := range answers {
				if slices.ContainsFunc(a.Events, want.is) {
					seen <- sighting{at: time.Now()}
					return
				}
			}
			seen <- sighting{err: context.Cause(ctx)}
		}()
		return seen, nil
	}
}

// is reports whether an event of etcd is what is wanted.
func (s shown) is(e *clientv3.Event) bool {
	kv := e.Kv
	if e.Type == clientv3.EventTypeDelete {
		kv = e.PrevKv
	}
	return (e.Type == clientv3.EventTypePut) == s.there && kv != nil &&
		strings.Contains(string(kv.Value), `"`+s.address+`"`)
}

// inSlices watches the EndpointSlices of one service, for an address that is
// ready or not. There is one slice of each service.
func inSlices(client *kubernetes.Clientset) watch {
	return func(ctx context.Context, want shown) (<-chan sighting, error) {
		w, err := client.DiscoveryV1().EndpointSlices(want.namespace).Watch(ctx, metav1.ListOptions{
			LabelSelector: discoveryv1.LabelServiceName + "=" + want.name,
		})
		if err != nil {
			return nil, fmt.Errorf("watch EndpointSlices: %w", err)
		}
		select {
		case <-w.ResultChan(): // what is there now
		case <-ctx.Done():
			w.Stop()
			return nil, context.Cause(ctx)
		}
		seen := make(chan sighting, 1)
		go func() {
			defer w.Stop()
			for e := range w.ResultChan() {
				if s, ok := e.Object.(*discoveryv1.EndpointSlice); ok && want.in(s) {
					seen <- sighting{at: time.Now()}
					return
				}
			}
			seen <- sighting{err: context.Cause(ctx)}
		}()
		return seen, nil
	}
}

// in reports whether a slice is as wanted: it has the address, ready, or it has
// other endpoints only or the address not ready.
func (s shown) in(slice *discoveryv1.EndpointSlice) bool {
	return s.there == slices.ContainsFunc(slice.Endpoints, func(e discoveryv1.Endpoint) bool {
		return slices.Contains(e.Addresses, s.address) && e.Conditions.Ready != nil && *e.Conditions.Ready
	})
}
