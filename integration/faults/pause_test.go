package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	passing = 20 // Services that come before the leader is frozen, and go before it wakes
	guests  = 6  // services of Consul likewise: fewer than a rule with 40 deletes at once
)

// pauseLeader freezes the leader with writes under way to every registry, has another
// replica lead, then lets the writes get there, and wakes it.
func (w *pair) pauseLeader(t *testing.T) {
	ctx, first, second := t.Context(), w.bridge, w.standby(t)
	w.burst(t)
	begin := time.Now()
	if err := until(ctx, held, "the other one leads", func() error { return leads(second) }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: the other one leads after %.1f s", w.name, time.Since(begin).Seconds())
	w.bridge = second
	w.settle(t, "another one leads", within)
	pause(ctx, held-time.Since(begin))
	for _, name := range []string{"consul", "etcd"} { // so it moved the fence there
		if n := second.gates[name].count(transaction); n.taken == 0 {
			t.Fatalf("%s: %s took nothing of the other one", w.name, name)
		}
	}
	w.release(t, first)
	w.wake(t, first)
	w.settle(t, "a pause past the lease", within)
	w.judgeLate(t, first)
	if err := first.stop(); err != nil {
		t.Error(err)
	}
}

// standby starts another replica and waits until that is one.
func (w *world) standby(t *testing.T) *replica {
	p, err := w.newReplica(w.cluster.t)
	if err == nil {
		err = p.start()
	}
	if err == nil {
		err = until(t.Context(), time.Minute, "a standby", func() error { _, err := p.status(); return err })
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// burst has users make changes all at once, freezes the bridge with writes of these
// under way that no server has yet, and has users take away what they made. So what
// is under way to Consul and etcd makes what nobody else ever hears of: nothing but
// the fence can refuse it.
func (w *pair) burst(t *testing.T) {
	ctx, p, u := t.Context(), w.bridge, w.cluster.users
	u.still.Lock()
	defer u.still.Unlock()
	if err := until(ctx, within, "all is right before a burst", func() error { return w.right(ctx) }); err != nil {
		t.Fatal(err)
	}
	for _, one := range p.gates {
		one.hold()
	}
	p.links["consul"].stall() // what it hears it is to hear at once
	p.links["kubernetes"].stall()
	names, err := u.come(ctx, passing)
	err = errors.Join(err, w.visit(ctx))
	p.links["consul"].heal()
	p.links["kubernetes"].heal()
	if err == nil {
		err = until(ctx, within, "writes are under way", p.underWay)
	}
	if err == nil {
		err = p.signal(syscall.SIGSTOP)
	}
	if err = errors.Join(err, u.leave(ctx, names), w.depart(ctx)); err != nil {
		t.Fatal(err)
	}
}

func guest(n int) string { return fmt.Sprintf("in-guest-%d", n) }

// visit has Consul's users register services, move one, and take one away.
func (w *pair) visit(ctx context.Context) error {
	var errs []error
	for n := range guests {
		errs = append(errs, w.consul.register(ctx, guest(n), fmt.Sprintf("10.40.2.%d", n+1)))
	}
	errs = append(errs, w.consul.register(ctx, "in-01", "10.40.3.1"), w.deregister(ctx, w.consul, "in-02"))
	return errors.Join(errs...)
}

// depart takes away the services that visit registered.
func (w *pair) depart(ctx context.Context) error {
	var errs []error
	for n := range guests {
		errs = append(errs, w.deregister(ctx, w.consul, guest(n)))
	}
	return errors.Join(errs...)
}

// underWay returns an error unless writes to every registry are at a gate: new
// objects and a changed one in the cluster.
func (p *replica) underWay() error {
	if n := p.gates["kubernetes"].count(creation); n.tried < guests {
		return fmt.Errorf("%d creations in the cluster are, want %d", n.tried, guests)
	}
	if p.gates["kubernetes"].count(alteration).tried == 0 {
		return errors.New("no alteration in the cluster is")
	}
	for _, name := range []string{"consul", "etcd"} {
		if p.gates[name].count(transaction).tried == 0 {
			return fmt.Errorf("no transaction of %s is", name)
		}
	}
	return nil
}

// release lets the writes of the frozen one get to the servers, and waits until what
// came of it in the cluster is gone.
func (w *pair) release(t *testing.T, p *replica) {
	ctx := t.Context()
	p.links["kubernetes"].stall() // nobody is to tell it who leads
	for _, one := range p.gates {
		one.thaw(true)
	}
	begin := time.Now()
	err := until(ctx, within, "late writes are answered", func() error {
		for name, one := range p.gates {
			if n := one.unanswered(); n > 0 {
				return fmt.Errorf("%s: %d are not", name, n)
			}
		}
		return nil
	})
	if err == nil {
		err = until(ctx, within, "what came late into the cluster is gone", func() error { return w.departed(ctx) })
	}
	if err != nil {
		t.Error(err)
	}
	made := p.gates["kubernetes"].count(creation)
	w.tell("late creations in Kubernetes: %d sent, %d landed, gone within %.1f s", made.tried, made.taken, time.Since(begin).Seconds())
}

// departed returns an error while something of a guest is in the cluster.
func (w *pair) departed(ctx context.Context) error {
	services, err := w.inward.api.CoreV1().Services(w.inward.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	parts, err := w.inward.api.DiscoveryV1().EndpointSlices(w.inward.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var all []string
	for _, s := range services.Items {
		all = append(all, s.Name)
	}
	for _, s := range parts.Items {
		all = append(all, s.Name)
	}
	all = slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, "in-guest-") })
	if len(all) > 0 {
		return fmt.Errorf("still there: %v", all)
	}
	return nil
}

// wake lets a frozen leader go on. It is to find out by itself that it leads no more;
// then it hears who does.
func (w *world) wake(t *testing.T, p *replica) {
	ctx := t.Context()
	if err := p.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	err := until(ctx, within, "the paused one gives up", func() error {
		s, err := p.status()
		if err == nil && s.Lead.Leads {
			err = errors.New("it says that it leads")
		}
		return err
	})
	p.links["kubernetes"].heal()
	if err == nil {
		err = until(ctx, within, "the paused one stands by", func() error {
			s, err := p.status()
			if err == nil && (s.Lead.Leads || s.Lead.Leader == "" || s.Lead.Leader == s.Lead.Name) {
				err = fmt.Errorf("it says that %q leads", s.Lead.Leader)
			}
			return err
		})
	}
	if err != nil {
		t.Error(err)
	}
}

// judgeLate holds that a leader which was paused past its lease tried to write, and
// that Consul and etcd took none of it, and the cluster no more than new objects.
func (w *pair) judgeLate(t *testing.T, p *replica) {
	for _, of := range []struct{ name, kind string }{
		{"consul", transaction}, {"etcd", transaction}, {"kubernetes", alteration},
	} {
		n := p.gates[of.name].count(of.kind)
		if n.tried == 0 || n.taken != 0 {
			t.Errorf("%s: of the paused leader's writes (%s) %s took %d of %d, want none of at least one", w.name, of.kind, of.name, n.taken, n.tried)
		}
		w.tell("late writes (%s) of the paused leader to %s: %d tried, %d taken", of.kind, of.name, n.tried, n.taken)
	}
	if err := w.departed(t.Context()); err != nil {
		t.Error(err)
	}
}

func leads(p *replica) error {
	s, err := p.status()
	if err == nil && !s.Lead.Leads {
		err = errors.New("it stands by")
	}
	return err
}
