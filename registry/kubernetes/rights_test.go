package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry"
)

// testRights holds that a bridge with the rights that are printed can do all that
// it does, and that each verb that is taken away shows in an error that names it.
func (s *shared) testRights(t *testing.T) {
	use := registry.Use{Owner: "prod", Reads: true, Makes: true, Tells: true, Elects: true}
	u := s.newUser(t)
	use.Mirrors = []registry.Naming{{Namespace: u.mirrors, Name: "{service}"}}
	use.Place = u.place.fence() + "/isthmus-lead"
	all := granted(t, u.config().Rights(use).Text)
	t.Run("enough", func(t *testing.T) {
		u.grant(t, all)
		if err := u.work(t, use, 2*time.Second); err != nil {
			t.Error(err)
		}
	})
	t.Run("less", func(t *testing.T) {
		for i, g := range all {
			for _, verb := range g.rule.Verbs {
				if verb == "list" && slices.Contains([]string{"nodes", "pods"}, g.rule.Resources[0]) {
					continue // it is for older servers, whose watches do not begin with a list, and these are not compared
				}
				what := fmt.Sprintf("%s %s %s", verb, g.rule.Resources[0], strings.Join(g.rule.ResourceNames, " "))
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					u, use := s.newUser(t), use
					use.Mirrors = []registry.Naming{{Namespace: u.mirrors, Name: "{service}"}}
					use.Place = u.place.fence() + "/isthmus-lead"
					some := granted(t, u.config().Rights(use).Text)
					some[i].rule.Verbs = slices.DeleteFunc(slices.Clone(g.rule.Verbs), func(v string) bool { return v == verb })
					u.grant(t, some)
					err := u.work(t, use, 20*time.Second)
					if err == nil || !strings.Contains(err.Error(), "forbidden") || !strings.Contains(err.Error(), g.rule.Resources[0]) || !strings.Contains(err.Error(), verb) {
						t.Errorf("error %v, want what is forbidden", err)
					}
				})
			}
		}
	})
}

// grantedRule is one rule in a namespace, or ("") everywhere.
type grantedRule struct {
	ns   string
	rule rbacv1.PolicyRule
}

// granted reads what was printed, as kubectl would.
func granted(t *testing.T, text string) []grantedRule {
	t.Helper()
	var all []grantedRule
	for doc := range strings.SplitSeq(text, "---\n") {
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(doc), &role); err != nil {
			t.Fatal(err)
		}
		if role.Name == "" || role.APIVersion != "rbac.authorization.k8s.io/v1" || (role.Kind == "ClusterRole") != (role.Namespace == "") {
			t.Fatalf("role %+v", role)
		}
		for _, r := range role.Rules {
			all = append(all, grantedRule{role.Namespace, r})
		}
	}
	return all
}

// user is somebody with no rights yet.
type user struct {
	*shared
	name, mirrors string
	place         *place
	kubeconfig    string
}

func (s *shared) newUser(t *testing.T) *user {
	t.Helper()
	p := s.place(t)
	u := &user{shared: s, name: "user-" + p.name, mirrors: p.AddNamespace(t, "mirrors"), place: p, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	c, err := clientcmd.LoadFromFile(s.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	for _, who := range c.AuthInfos {
		who.Impersonate = u.name
	}
	if err := clientcmd.WriteToFile(*c, u.kubeconfig); err != nil {
		t.Fatal(err)
	}
	return u
}

// config is one that compares what it reads again and again.
func (u *user) config() *config {
	c := &config{name: "test", kubeconfig: []string{u.kubeconfig}, qps: 1000, burst: 2000, fenceNamespace: u.place.fence(), pods: true, compare: time.Second}
	return c.Detailed(registry.Details{Notes: true, Nodes: true, Ranges: true}).(*config)
}

func (u *user) grant(t *testing.T, all []grantedRule) {
	t.Helper()
	for _, g := range all {
		if len(g.rule.Verbs) > 0 {
			u.shared.grant(t, u.name, g.ns, []rbacv1.PolicyRule{g.rule})
		}
	}
}

// forbidden returns the first thing that was said to be, as an error.
func forbidden(said string) error {
	for line := range strings.Lines(said) {
		if strings.Contains(line, "forbidden") {
			return errors.New(line)
		}
	}
	return nil
}

// work does all that a bridge does, and returns what it met, for as long as wait
// after it was done.
func (u *user) work(t *testing.T, use registry.Use, wait time.Duration) error {
	log := new(serverstest.Output)
	logger := slog.New(slog.NewTextHandler(log, nil))
	w, err := u.config().Writer("prod", logger)
	if err != nil {
		return err
	}
	c := catalog.New(catalog.Policy{})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { registry.Supervise(ctx, w, c.Feed(origin), logger) })
	met := func() error {
		if err := c.Snapshot().State(origin).Err; err != nil && strings.Contains(err.Error(), "forbidden") {
			return err
		}
		return forbidden(log.String())
	}
	notices := make(chan registry.Notice, 2)
	wg.Go(func() { w.(registry.Teller).Tell(ctx, notices) })
	if err := u.writes(ctx, w, func() bool { return c.Snapshot().Synced() }, met, notices); err != nil {
		return err
	}
	if err := u.elect(ctx, use, logger); err != nil {
		return err
	}
	return until(ctx, wait, met)
}

// until waits for an error that something met, for as long as wait.
func until(ctx context.Context, wait time.Duration, met func() error) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := met(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

var errDone = errors.New("done")

// writes does each kind of write, one after the other.
func (u *user) writes(ctx context.Context, w registry.Writer, synced func() bool, met func() error, notices chan<- registry.Notice) error {
	err := until(ctx, 20*time.Second, func() error {
		if synced() {
			return errDone
		}
		return met()
	})
	if !errors.Is(err, errDone) {
		return err
	}
	fence := registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}
	m := testMirror(catalog.Key{Namespace: u.mirrors, Name: "web"}, 2)
	put := func() error {
		r := w.Put(ctx, []*catalog.Service{m})[0]
		m.Version = r.Version
		return r.Err
	}
	adopt := func() error { // the slices of a Service that somebody deleted
		if err := u.client.CoreV1().Services(m.Namespace).Delete(ctx, m.Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
		m.Version = ""
		return put()
	}
	for _, step := range []func() error{
		func() error { return w.Claim(ctx, fence, false) },
		func() error { return w.Claim(ctx, fence, true) },
		put,
		func() error {
			more := testMirror(m.Key, 3)
			more.Version, more.Ports[0].Number = m.Version, 81
			m = more
			return put()
		},
		adopt,
		func() error { return u.told(ctx, m.Key, met, notices) },
		func() error { return w.Delete(ctx, []*catalog.Service{m})[0].Err },
		func() error {
			return w.(registry.NamespaceCreator).CreateNamespace(ctx, u.place.name+"-made")
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// told has an Event written and counted up.
func (u *user) told(ctx context.Context, k catalog.Key, met func() error, notices chan<- registry.Notice) error {
	for range 2 {
		notices <- registry.Notice{Key: k, Reason: registry.NameTaken, Text: "it is"}
	}
	err := until(ctx, 20*time.Second, func() error {
		all, err := u.client.CoreV1().Events(k.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		if len(all.Items) == 1 && all.Items[0].Count == 2 {
			return errDone
		}
		return met()
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return cmp.Or(err, errors.New("no event was counted up"))
}

// elect leads until the lease was renewed.
func (u *user) elect(ctx context.Context, use registry.Use, log *slog.Logger) error {
	e, err := u.config().Election("prod", use.Place, quickTimes(), log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	renewed := false
	err = e.Elect(ctx, registry.Candidate{Name: "a", Seen: func(string) {}, Lead: func(leading context.Context, holds func() bool) {
		_ = until(leading, quickTimes().Deadline+time.Second, func() error { return nil })
		if renewed = leading.Err() == nil && holds(); renewed {
			cancel()
		}
	}})
	if renewed {
		return nil
	}
	return err
}
