package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	originals = 1000 // Services at the start
	space     = "live"
)

// users are the cluster's own: they add Services, change their addresses, and
// delete some. Each Service has two addresses, the first of which stays.
type users struct {
	api    kubernetes.Interface
	random *rand.Rand // of whoever changes
	next   int        // number of the next Service; likewise
	count  map[string]int
	failed error        // the change that never got through
	still  sync.RWMutex // held for reading while nothing may change

	mu   sync.Mutex        // guards what follows
	live map[string]*place // by name, those that are there or whose change is under way
	gone map[string]bool   // names that were deleted, from before that
}

// place is what a Service has.
type place struct {
	number, moves int
}

func (p *place) addresses() []string {
	return []string{
		fmt.Sprintf("10.%d.%d.%d", 100, p.number/250, p.number%250+1),
		fmt.Sprintf("10.%d.%d.%d", 101+p.moves%100, p.number/250, p.number%250+1),
	}
}

func newUsers(api kubernetes.Interface, random *rand.Rand) *users {
	return &users{api: api, random: random, count: map[string]int{}, live: map[string]*place{}, gone: map[string]bool{}}
}

// fill makes the first Services.
func (u *users) fill(ctx context.Context) error {
	var running sync.WaitGroup
	errs := make(chan error, originals)
	slots := make(chan struct{}, 16)
	for range originals {
		name, p := u.born()
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			errs <- u.create(ctx, name, p)
		})
	}
	running.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// born notes a new Service.
func (u *users) born() (string, *place) {
	p := &place{number: u.next}
	name := fmt.Sprintf("svc-%04d", u.next)
	u.next++
	u.mu.Lock()
	defer u.mu.Unlock()
	u.live[name] = p
	return name, p
}

func (u *users) create(ctx context.Context, name string, p *place) error {
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	_, err := u.api.CoreV1().Services(space).Create(ctx, svc, metav1.CreateOptions{})
	if err == nil || apierrors.IsAlreadyExists(err) {
		_, err = u.api.DiscoveryV1().EndpointSlices(space).Create(ctx, slice(name, p), metav1.CreateOptions{})
	}
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func slice(name string, p *place) *discoveryv1.EndpointSlice {
	http, tcp, port, ready := "http", corev1.ProtocolTCP, int32(8080), true
	s := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: name + "-a", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &http, Port: &port, Protocol: &tcp}},
	}
	for _, a := range p.addresses() {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
	}
	return s
}

// change makes changes until ctx ends, so many a second. While the API server is
// away they fail, which is no error.
func (u *users) change(ctx context.Context, rate int) {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			u.still.Lock()
			u.once(ctx)
			u.still.Unlock()
		}
	}
}

// once does one thing: of ten, one is a new Service, one a deletion.
func (u *users) once(ctx context.Context) {
	what, do := "changed", u.move
	switch u.random.IntN(10) {
	case 0:
		what, do = "added", u.add
	case 1:
		what, do = "deleted", u.remove
	}
	if err := u.certainly(ctx, do); err != nil {
		u.failed = err
		return
	}
	u.count[what]++
}

// certainly does what f returns, again and again until it is done, also when ctx
// ends: what is there in the end is known exactly, whatever answer was lost.
func (u *users) certainly(ctx context.Context, f func() func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for do := f(); ; {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := do(try)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// come makes so many new Services, and returns their names.
func (u *users) come(ctx context.Context, n int) ([]string, error) {
	var all []string
	for range n {
		name, p := u.born()
		all = append(all, name)
		if err := u.certainly(ctx, func() func(context.Context) error {
			return func(ctx context.Context) error { return u.create(ctx, name, p) }
		}); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// leave takes these Services away.
func (u *users) leave(ctx context.Context, all []string) error {
	for _, name := range all {
		if err := u.certainly(ctx, func() func(context.Context) error { return u.away(name) }); err != nil {
			return err
		}
	}
	return nil
}

func (u *users) add() func(context.Context) error {
	name, p := u.born()
	return func(ctx context.Context) error { return u.create(ctx, name, p) }
}

func (u *users) move() func(context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	name := u.one()
	p := u.live[name]
	p.moves++
	s := slice(name, p)
	return func(ctx context.Context) error {
		_, err := u.api.DiscoveryV1().EndpointSlices(space).Update(ctx, s, metav1.UpdateOptions{})
		return err
	}
}

func (u *users) remove() func(context.Context) error {
	u.mu.Lock()
	name := u.one()
	u.mu.Unlock()
	return u.away(name)
}

// away takes a Service away, its addresses with it.
func (u *users) away(name string) func(context.Context) error {
	u.mu.Lock()
	delete(u.live, name)
	u.gone[name] = true
	u.mu.Unlock()
	return func(ctx context.Context) error {
		err := u.api.CoreV1().Services(space).Delete(ctx, name, metav1.DeleteOptions{})
		if err == nil || apierrors.IsNotFound(err) {
			err = u.api.DiscoveryV1().EndpointSlices(space).Delete(ctx, name+"-a", metav1.DeleteOptions{})
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
}

// one chooses a Service that is there; it needs mu.
func (u *users) one() string {
	names := make([]string, 0, len(u.live))
	for name := range u.live {
		names = append(names, name)
	}
	slices.Sort(names)
	return names[u.random.IntN(len(names))]
}

// deleted reports whether users took a Service away, or began to.
func (u *users) deleted(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.gone[name]
}

// want returns the addresses that each target should have, by name.
func (u *users) want() map[string][]string {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make(map[string][]string, len(u.live))
	for name, p := range u.live {
		all[name] = slices.Sorted(slices.Values(p.addresses()))
	}
	return all
}
