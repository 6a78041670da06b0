package kubernetes

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/isthmus-dns/isthmus/catalog"
)

func aPod(name string, phase corev1.PodPhase, ip string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	p.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
	p.Status.Phase = phase
	if ip != "" {
		p.Status.PodIP, p.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	}
	return p
}

// TestPodTable holds what is reported of a reflector's events, and that what
// does not count is not.
func TestPodTable(t *testing.T) {
	changed, listed := 0, 0
	table := newPodTable(func() { changed++ }, func() { listed++ })
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"list", func() error {
			return table.Replace([]any{aPod("a", corev1.PodRunning, "10.0.0.1"), aPod("b", corev1.PodPending, "")}, "1")
		}, "+a"},
		{"address comes", func() error { return table.Update(aPod("b", corev1.PodRunning, "10.0.0.2")) }, "+b"},
		{"nothing that counts", func() error { return table.Update(aPod("b", corev1.PodPending, "10.0.0.2")) }, ""},
		{"address moves", func() error { return table.Update(aPod("b", corev1.PodRunning, "10.0.0.3")) }, "+b"},
		{"it ends", func() error { return table.Update(aPod("b", corev1.PodSucceeded, "10.0.0.3")) }, "-b"},
		{"it goes", func() error { return table.Delete(aPod("b", corev1.PodSucceeded, "10.0.0.3")) }, ""},
		{"a new one", func() error { return table.Add(aPod("c", corev1.PodRunning, "10.0.0.4")) }, "+c"},
		{"list without one", func() error { return table.Replace([]any{aPod("c", corev1.PodRunning, "10.0.0.4")}, "9") }, "-a"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		set, gone := table.take()
		var got []string
		for _, p := range set {
			got = append(got, "+"+p.Name)
		}
		for _, k := range gone {
			got = append(got, "-"+k.Name)
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != step.want {
			t.Errorf("%s: %q, want %q", step.name, text, step.want)
		}
	}
	if listed != 2 || changed != 8 {
		t.Errorf("listed %d times and changed %d times", listed, changed)
	}
	if table.Update(&corev1.Service{}) == nil {
		t.Error("a Service was taken for a pod")
	}
}

func TestTrimPod(t *testing.T) {
	p := aPod("a", corev1.PodRunning, "10.0.0.1")
	p.Spec.HostNetwork, p.Spec.NodeName = true, "node-1"
	trimmed := p.DeepCopy()
	trimPod(trimmed)
	want := newPodTable(func() {}, func() {})
	if want.Update(p) != nil || want.Update(trimmed) != nil || len(trimmed.Spec.Containers) != 0 {
		t.Error("trimmed is wrong")
	}
	if set, _ := want.take(); len(set) != 1 || !set[0].Host || set[0].Node != "node-1" {
		t.Errorf("a trimmed pod is another one: %v", set)
	}
}

// testPods reads pods where the stanza says so, and only there.
func (s *shared) testPods(t *testing.T) {
	p := s.place(t)
	ns := p.AddNamespace(t, "shop")
	put := func(name, ip string) {
		t.Helper()
		pod := aPod(name, corev1.PodRunning, ip)
		pod.Namespace = ns
		made, err := p.client.CoreV1().Pods(ns).Create(t.Context(), pod, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		made.Status = pod.Status
		if _, err := p.client.CoreV1().Pods(ns).UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	at := func(s *catalog.Snapshot, addr string) string {
		for _, pod := range s.Pods(netip.MustParseAddr(addr)) {
			return pod.String()
		}
		return ""
	}
	put("a", "10.99.0.1")
	for _, namespaces := range [][]string{nil, {ns}} {
		conf := &config{name: "test", kubeconfig: []string{s.Kubeconfig()}, namespaces: namespaces, pods: true, qps: 100, burst: 100}
		w := watching(t, conf.mustRead(t))
		w.until("a pod", func(s *catalog.Snapshot) bool { return s.Synced(origin) && at(s, "10.99.0.1") == ns+"/a" })
		b := "b" + strings.Join(namespaces, "")
		put(b, "10.99.0.2")
		w.until("a new pod", func(s *catalog.Snapshot) bool { return at(s, "10.99.0.2") == ns+"/"+b })
		zero := int64(0)
		if err := p.client.CoreV1().Pods(ns).Delete(t.Context(), b, metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
			t.Fatal(err)
		}
		w.until("no pod", func(s *catalog.Snapshot) bool { return at(s, "10.99.0.2") == "" })
	}
	none := watching(t, (&config{name: "test", kubeconfig: []string{s.Kubeconfig()}, qps: 100, burst: 100}).mustRead(t))
	none.until("services", func(s *catalog.Snapshot) bool { return s.Synced(origin) })
	if got := at(none.catalog.Snapshot(), "10.99.0.1"); got != "" {
		t.Errorf("%s was reported without being asked for", got)
	}
}
