package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"

	"github.com/isthmus-dns/isthmus/registry"
)

// podNamespace is where a pod finds the name of its namespace.
const podNamespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// election is that of the holder of one Lease.
type election struct {
	client          kubernetes.Interface
	namespace, name string
	times           registry.LeaseTimes
	log             *slog.Logger
}

// Election opens the election at NAMESPACE/NAME of a Lease; by default that is
// isthmus-OWNER in the pod's own namespace. Its requests wait for no others.
func (c *config) Election(owner, place string, times registry.LeaseTimes, log *slog.Logger) (registry.Election, error) {
	if place == "" {
		own, err := os.ReadFile(podNamespace)
		if err != nil {
			return nil, fmt.Errorf("find the namespace of this pod: %w", err)
		}
		place = strings.TrimSpace(string(own)) + "/isthmus-" + owner
	}
	namespace, name, ok := strings.Cut(place, "/")
	if !ok || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return nil, fmt.Errorf("lease %q: want NAMESPACE/NAME", place)
	}
	to, err := c.rest()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.Origin(), err)
	}
	client, err := kubernetes.NewForConfig(to)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.Origin(), err)
	}
	return &election{client, namespace, name, times, log}, nil
}

// String names the Lease.
func (e *election) String() string { return fmt.Sprintf("lease %s/%s", e.namespace, e.name) }

// Close does nothing: connections are shared with all that speak to the server so.
func (e *election) Close() error { return nil }

// Elect takes part by client-go's elector. A standby looks at the Lease every few
// seconds, and is told when it is released.
func (e *election) Elect(ctx context.Context, c registry.Candidate) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	l := e.newLock(c)
	wg.Go(func() { e.watch(ctx, l.freed) })
	for {
		if err := l.try(ctx, e.times, c.Lead); err != nil {
			return fmt.Errorf("elect at %s: %w", e, err)
		}
	}
}

// watch tells of the Lease that nobody holds it, until ctx ends. A watch that
// cannot be had only costs time, which is said if it is for lack of a right.
func (e *election) watch(ctx context.Context, freed func()) {
	denied := false // and said so
	for ctx.Err() == nil {
		err := e.watchOnce(ctx, freed)
		if apierrors.IsForbidden(err) && !denied {
			denied = true
			e.log.Warn("the lease cannot be watched: a leader that stops is followed some seconds later", "election", e.String(), "error", cause(err))
		}
		timer := time.NewTimer(e.times.Retry)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

func (e *election) watchOnce(ctx context.Context, freed func()) error {
	only := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", e.name).String()}
	w, err := e.client.CoordinationV1().Leases(e.namespace).Watch(ctx, only)
	if err != nil {
		return err
	}
	defer w.Stop()
	for event := range w.ResultChan() {
		if l, ok := event.Object.(*coordinationv1.Lease); ok && (l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "") {
			freed()
		}
	}
	return nil
}

// lock is the Lease as client-go's elector sees it, which it has wait where the
// elector itself would not: with the release, for the last write. It also keeps
// what the elector does not tell: when the last renewal began, and why one failed.
type lock struct {
	resourcelock.Interface
	tenure *registry.Tenure
	most   time.Duration // that a request may take
	seen   func(string)

	mu     sync.Mutex // guards what follows
	holder string     // as last read or written
	err    error      // why the last request failed; of a leader, the last renewal
	led    bool
	again  context.CancelFunc // ends this try
	end    context.CancelFunc // ends the term
	ended  chan struct{}      // closed after the term
}

func (e *election) newLock(c registry.Candidate) *lock {
	lease := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: e.namespace, Name: e.name},
		Client:     e.client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: c.Name},
	}
	return &lock{Interface: lease, tenure: registry.NewTenure(e.times), most: e.times.Deadline / 2, seen: c.Seen, ended: make(chan struct{})}
}

// try runs an elector. It returns nil if the Lease was freed meanwhile, and it is
// worth another try at once.
func (l *lock) try(ctx context.Context, t registry.LeaseTimes, lead func(context.Context, func() bool)) error {
	trying, again := context.WithCancel(klog.NewContext(ctx, klog.Logger{}))
	defer again()
	leading, end := context.WithCancel(ctx)
	defer end()
	l.mu.Lock()
	l.again, l.end = again, end
	l.mu.Unlock()
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, LeaseDuration: t.Lease, RenewDeadline: t.Deadline, RetryPeriod: t.Retry, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) {
				defer close(l.ended)
				lead(leading, l.tenure.Holds)
			},
			OnStoppedLeading: func() {}, // it is told after the release
		},
	})
	if err != nil {
		return err
	}
	elector.Run(trying)
	end()
	return l.outcome(ctx)
}

// outcome says why a try ended.
func (l *lock) outcome(ctx context.Context) error {
	l.mu.Lock()
	led, err, holder := l.led, l.err, l.holder
	l.mu.Unlock()
	if led {
		<-l.ended
		l.tenure.End()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case led && err != nil && holder == l.Identity():
		return fmt.Errorf("the lease is lost: %w", cause(err))
	case led:
		return fmt.Errorf("the lease is lost to %q: %w", holder, registry.ErrNotLeading)
	}
	return cause(err)
}

// freed ends a try that did not lead, for the next one.
func (l *lock) freed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.led && l.again != nil {
		l.again()
	}
}

// Get reads the Lease. Who led and finds another there, or was paused for too
// long, ends its term at once; who does not lead and cannot read it gives up.
func (l *lock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, l.most)
	defer cancel()
	record, raw, err := l.Interface.Get(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.sawLocked(record.HolderIdentity)
	}
	if l.led && err != nil || !l.led && !apierrors.IsNotFound(err) { // it will be made
		l.failedLocked(err) // that it can be read is no answer to why it cannot be written
	}
	if l.led && (!l.tenure.Holds() || l.holder != l.Identity()) {
		l.end()
	}
	if l.led && l.holder != l.Identity() {
		l.again()
	}
	return record, raw, err
}

// Create makes the Lease, held by this process.
func (l *lock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, record, l.Interface.Create)
}

// Update writes the Lease: to hold it, or to release it. It is released once the
// term has ended, and only while this process has it.
func (l *lock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity != "" {
		return l.write(ctx, record, l.Interface.Update)
	}
	l.mu.Lock()
	ours, led := l.holder == l.Identity(), l.led
	l.end()
	l.mu.Unlock()
	if led {
		<-l.ended
	}
	l.tenure.End()
	if !ours {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.most) // the term may have taken all of its time
	defer cancel()
	return l.Interface.Update(ctx, record)
}

func (l *lock) write(ctx context.Context, record resourcelock.LeaderElectionRecord, write func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.most)
	defer cancel()
	began := time.Now()
	err := write(ctx, record)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.led = true
		l.tenure.Renewed(began)
		l.sawLocked(record.HolderIdentity)
	}
	if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) { // who was quicker is found by the next look
		l.failedLocked(err)
	}
	return err
}

func (l *lock) sawLocked(holder string) {
	if holder != l.holder {
		l.holder = holder
		l.seen(holder)
	}
}

// failedLocked takes note of a request. A leader has until its deadline; others
// have nothing to wait for.
func (l *lock) failedLocked(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && l.err != nil {
		return // which says less than what came before
	}
	l.err = err
	if err != nil && !l.led {
		l.again()
	}
}
