package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"
	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

const (
	relists = 4                // rounds
	touched = 500              // objects changed in each, so that all watches fall behind
	mostMiB = 170              // what kubeadm lets CoreDNS have
	calm    = 10 * time.Second // after a relist, until its garbage has been seen
)

// relist measures the peak of memory while everything is read anew. The servers
// are cut off; meanwhile much is written, etcd is compacted and the API server
// restarted, so that it no longer knows what the servers missed: their watches
// get 410 Gone. Then one server after the other is let through.
func relist(ctx context.Context, b *bench) (all []figure, err error) {
	if err := b.world.unmark(ctx); err != nil { // of a run that was interrupted
		return nil, err
	}
	defer func() { err = errors.Join(err, b.world.unmark(context.WithoutCancel(ctx))) }()
	pair, err := b.cutOff(ctx)
	defer pair.stop()
	if err != nil {
		return nil, err
	}
	peak := map[side][]float64{}
	for round := range min(b.pairs, relists) {
		if err := b.outage(ctx, pair, round); err != nil {
			return nil, err
		}
		for _, s := range inTurn([]side{ours, stock}, round) {
			mib, err := b.comeBack(ctx, pair[s], round)
			if err != nil {
				return nil, fmt.Errorf("let %s through: %w", s, err)
			}
			peak[s] = append(peak[s], mib)
		}
		b.log(fmt.Sprintf("relist: round %d: ours %.0f MiB, stock %.0f MiB", round+1, peak[ours][round], peak[stock][round]))
	}
	f := newFigure("relist", "", "peak of memory", "MiB", peak).judge(&target{Against: stock, Times: 0.6, AtMost: mostMiB})
	return []figure{f}, nil
}

// remote is a server whose way to the API server can be cut.
type remote struct {
	*started
	way *proxy.Proxy
}

type remotes map[side]remote

func (r remotes) stop() {
	for _, one := range r {
		one.started.stop()
		_ = one.way.Close()
	}
}

// cutOff starts one server of each side behind a proxy of its own. The caller
// stops them, also when an error comes with them.
func (b *bench) cutOff(ctx context.Context) (remotes, error) {
	pair := remotes{}
	first, err := b.firstQuery()
	if err != nil {
		return pair, err
	}
	for _, s := range []side{ours, stock} {
		one, err := b.startRemote(ctx, s, first)
		if err != nil {
			return pair, err
		}
		pair[s] = one
	}
	return pair, nil
}

func (b *bench) startRemote(ctx context.Context, s side, first query) (r remote, err error) {
	api, err := url.Parse(b.world.kube.URL())
	if err != nil {
		return r, err
	}
	if r.way, err = proxy.New(api.Host); err != nil {
		return r, err
	}
	conf := setting{side: s, chain: bare, kubeconfig: filepath.Join(b.tmp, string(s)+".kubeconfig")}
	text, err := os.ReadFile(b.world.kube.Kubeconfig())
	if err == nil {
		err = os.WriteFile(conf.kubeconfig, []byte(strings.ReplaceAll(string(text), api.Host, r.way.Addr())), 0o600)
	}
	if err == nil {
		r.started, err = b.start(ctx, conf, first)
	}
	if err != nil {
		return r, errors.Join(err, r.way.Close())
	}
	return r, nil
}

// outage cuts both servers off and makes the API server forget.
func (b *bench) outage(ctx context.Context, pair remotes, round int) error {
	for _, one := range pair {
		one.way.Cut()
	}
	if err := b.world.touch(ctx, touched, round); err != nil {
		return err
	}
	if err := b.world.mark(ctx, round); err != nil {
		return err
	}
	if err := compact(ctx, b.world.kube.Etcd().Endpoint()); err != nil {
		return err
	}
	if err := b.world.kube.Restart(ctx); err != nil {
		return err
	}
	return b.moveAside()
}

// comeBack lets a server through, waits until it answers what was written in
// the outage, and returns its peak.
func (b *bench) comeBack(ctx context.Context, one remote, round int) (mib float64, err error) {
	before, err := b.world.lists(ctx)
	if err != nil {
		return 0, err
	}
	if err := resetPeak(one.pid); err != nil {
		return 0, err
	}
	one.way.Heal()
	seen, err := marks(round)
	if err != nil {
		return 0, err
	}
	for _, q := range seen {
		if err := one.until(ctx, q, false); err != nil {
			return 0, fmt.Errorf("wait for %v: %w", q, err)
		}
	}
	if err := sleep(ctx, min(calm, b.settle)); err != nil {
		return 0, err
	}
	after, err := b.world.lists(ctx)
	if err != nil {
		return 0, err
	}
	if after == before {
		return 0, errors.New("it did not list: its watches went on")
	}
	m, err := memoryOf(one.pid)
	return m.peak, err
}

// compact makes etcd forget all but the newest state.
func compact(ctx context.Context, endpoint string) error {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: patience})
	if err != nil {
		return fmt.Errorf("connect to etcd: %w", err)
	}
	defer c.Close()
	newest, err := c.Get(ctx, "nothing")
	if err != nil {
		return fmt.Errorf("ask etcd for its revision: %w", err)
	}
	if _, err := c.Compact(ctx, newest.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return fmt.Errorf("compact etcd: %w", err)
	}
	return nil
}

// touch changes n Services and their EndpointSlices in what DNS does not show.
func (w *world) touch(ctx context.Context, n, round int) error {
	change := fmt.Appendf(nil, `{"metadata":{"annotations":{"touched":"%d"}}}`, round)
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(writers)
	for v := range w.shape.services() {
		if n--; n < 0 {
			break
		}
		all.Go(func() error {
			_, err := w.client.CoreV1().Services(v.namespace).Patch(ctx, v.name, types.MergePatchType, change, metav1.PatchOptions{})
			if err == nil {
				_, err = w.client.DiscoveryV1().EndpointSlices(v.namespace).Patch(ctx, v.slice().Name, types.MergePatchType, change, metav1.PatchOptions{})
			}
			if err != nil {
				return fmt.Errorf("touch %q: %w", v.fqdn(), err)
			}
			return nil
		})
	}
	return all.Wait()
}

// marker is a Service of which every round makes a new one, virtual or headless
// with an address of its own.
func marker(round int, headless bool) service {
	v := service{namespace: namespaceName(0), name: fmt.Sprintf("marker-%d", round), first: markerEndpoint + round, count: 1}
	if headless {
		v.name += "-headless"
		v.headless = true
	}
	return v
}

// mark creates the round's markers.
func (w *world) mark(ctx context.Context, round int) error {
	for _, headless := range []bool{false, true} {
		if err := w.create(ctx, marker(round, headless)); err != nil {
			return err
		}
	}
	return nil
}

// unmark deletes the markers of all rounds that are there.
func (w *world) unmark(ctx context.Context) error {
	var errs []error
	for round := range relists {
		for _, headless := range []bool{false, true} {
			v := marker(round, headless)
			errs = append(errs, unlessGone(w.client.CoreV1().Services(v.namespace).Delete(ctx, v.name, metav1.DeleteOptions{})))
			errs = append(errs, unlessGone(w.client.DiscoveryV1().EndpointSlices(v.namespace).Delete(ctx, v.slice().Name, metav1.DeleteOptions{})))
		}
	}
	return errors.Join(errs...)
}

// marks returns the queries that a server which saw the round's markers answers.
func marks(round int) (all []query, err error) {
	for _, headless := range []bool{false, true} {
		q, err := newQuery(marker(round, headless).fqdn(), dns.TypeA, 0, dns.RcodeSuccess, 1)
		if err != nil {
			return nil, err
		}
		all = append(all, q)
	}
	return all, nil
}

// lists returns how often EndpointSlices were listed since the API server's
// start, by LIST or by a watch that begins with all of them.
func (w *world) lists(ctx context.Context) (n float64, err error) {
	text, err := w.client.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the API server's metrics: %w", err)
	}
	const slices = `resource="endpointslices"`
	n = sum(string(text), "apiserver_request_total", slices, `verb="LIST"`)
	n += sum(string(text), "apiserver_watch_list_duration_seconds_count", slices)
	return n, nil
}
