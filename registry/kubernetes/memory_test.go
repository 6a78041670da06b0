package kubernetes

import (
	"fmt"
	"log/slog"
	"runtime"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/isthmus-dns/isthmus/catalog"
)

// The world of the benchmarks: every fifth Service is headless.
const (
	worldNamespaces = 100
	worldServices   = 10_000
	worldEndpoints  = 10 // of each
)

// decoded is an object as it comes from the wire: no string is shared.
func decoded[T interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}](o, into T) T {
	wire, err := o.Marshal()
	if err == nil {
		err = into.Unmarshal(wire)
	}
	if err != nil {
		panic(err)
	}
	return into
}

func worldName(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: fmt.Sprintf("team-%02d", i%worldNamespaces), Name: fmt.Sprintf("service-%05d", i)}
}

// worldMeta has what controllers and people commonly leave on an object.
func worldMeta(i int, name string) metav1.ObjectMeta {
	fields := `{"f:metadata":{"f:annotations":{".":{},"f:kubectl.kubernetes.io/last-applied-configuration":{}},"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:ports":{}}}`
	return metav1.ObjectMeta{
		Namespace: worldName(i).Namespace, Name: name, ResourceVersion: fmt.Sprint(100_000 + i), UID: types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i)),
		Labels:        map[string]string{"app": name, discoveryv1.LabelServiceName: worldName(i).Name},
		Annotations:   map[string]string{"kubectl.kubernetes.io/last-applied-configuration": fields + fields, corev1.EndpointsLastChangeTriggerTime: "2026-01-02T03:04:05Z"},
		ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: "Apply", FieldsV1: metav1.NewFieldsV1(fields)}},
	}
}

func worldService(i int) *corev1.Service {
	svc := &corev1.Service{ObjectMeta: worldMeta(i, worldName(i).Name)}
	svc.Spec.Selector = map[string]string{"app": svc.Name}
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80, TargetPort: intstr.FromInt32(8080)}}
	svc.Spec.ClusterIP = fmt.Sprintf("10.96.%d.%d", i/250, i%250+1)
	if i%5 == 0 {
		svc.Spec.ClusterIP = corev1.ClusterIPNone
	}
	svc.Spec.ClusterIPs = []string{svc.Spec.ClusterIP}
	return decoded(svc, new(corev1.Service))
}

func worldSlice(i int) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{ObjectMeta: worldMeta(i, worldName(i).Name+"-x7k2p"), AddressType: discoveryv1.AddressTypeIPv4}
	name, proto, port, yes, no := "http", corev1.ProtocolTCP, int32(8080), true, false
	s.Ports = []discoveryv1.EndpointPort{{Name: &name, Protocol: &proto, Port: &port}}
	for j := range worldEndpoints {
		n := i*worldEndpoints + j
		node, zone := fmt.Sprintf("node-%04d", n%500), fmt.Sprintf("zone-%d", n%3)
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{fmt.Sprintf("10.%d.%d.%d", 128+n>>16, n>>8&255, n&255)},
			Conditions: discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes, Terminating: &no},
			NodeName:   &node, Zone: &zone,
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: s.Namespace, Name: fmt.Sprintf("%s-7d9f8b5c6d-%05d", worldName(i).Name, j), UID: types.UID(fmt.Sprintf("00000000-0000-0000-0001-%012d", n))},
		})
	}
	return decoded(s, new(discoveryv1.EndpointSlice))
}

// worldView is a view with a catalog behind it and the stores that reflectors
// fill.
func worldView(conf config) (v *view, c *catalog.Catalog, sources []source) {
	c = catalog.New(catalog.Policy{Packed: true, Origins: []catalog.OriginPolicy{{Origin: origin, Speaks: true}}})
	conf.endpoint = "http://127.0.0.1:1"
	s, err := conf.open("", slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	v = newView(s, c.Feed(origin), func(error) {})
	return v, c, s.sources(v, metav1.NamespaceAll, func() func() { return func() {} })
}

// list hands n objects to a store the way a reflector does: each is made into
// what is kept as it comes.
func list(into *source, n int, object func(int) any) {
	store := into.into
	all := make([]any, 0, n)
	for i := range n {
		o, err := store.Transformer()(object(i))
		if err != nil {
			panic(err)
		}
		all = append(all, o)
	}
	if err := store.Replace(all, "1000000"); err != nil {
		panic(err)
	}
}

func inUse() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkMemory says what a world costs in memory, as DNS servers ask for it
// and with the names of pods: what is reported and what is held to report it. An
// endpoint's cost is the difference that it makes.
func BenchmarkMemory(b *testing.B) {
	b.Run("nopodnames", func(b *testing.B) { benchmarkMemory(b, config{noPodNames: true}) })
	b.Run("podnames", func(b *testing.B) { benchmarkMemory(b, config{}) })
}

func benchmarkMemory(b *testing.B, conf config) {
	for b.Loop() {
		before := inUse()
		v, c, sources := worldView(conf)
		list(&sources[0], worldServices, func(i int) any { return worldService(i) })
		heads := inUse()
		list(&sources[2], worldServices, func(i int) any { return worldSlice(i) })
		parts := inUse()
		start := time.Now()
		v.first()
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/first")
		all := inUse()
		b.ReportMetric((all-before)/(1<<20), "MiB")
		b.ReportMetric((heads-before)/worldServices, "B/held-service")
		b.ReportMetric((parts-heads)/worldServices/worldEndpoints, "B/held-endpoint")
		b.ReportMetric((all-parts)/worldServices, "B/reported-service")
		runtime.KeepAlive(v)
		runtime.KeepAlive(c)
	}
}

// TestRelistShares holds that what is listed again in the version that is held
// is the object that is held, and stands nowhere a second time.
func TestRelistShares(t *testing.T) {
	_, _, sources := worldView(config{})
	into := sources[2].into.(*scope[*slice])
	list(&sources[2], 3, func(i int) any { return worldSlice(i) })
	for i := range 3 {
		kept, err := into.Transformer()(worldSlice(i))
		if held := into.table.get(nameOf(worldSlice(i))); err != nil || kept != any(held) || held == nil {
			t.Errorf("slice %d is kept as %p, %v; held is %p", i, kept, err, held)
		}
	}
}

// TestPodNames holds that the names of pods are kept unless nobody asks.
func TestPodNames(t *testing.T) {
	for _, no := range []bool{false, true} {
		v, c, sources := worldView(config{noPodNames: no})
		list(&sources[0], 1, func(i int) any { return worldService(i) })
		list(&sources[2], 1, func(i int) any { return worldSlice(i) })
		v.first()
		svc := c.Snapshot().Lookup(keyOf(worldName(0)))
		if svc == nil || len(svc.Endpoints) != worldEndpoints {
			t.Fatalf("nopodnames %v: %v is there", no, svc)
		}
		if got := svc.Endpoints[0].Pod; (got == "") != no {
			t.Errorf("nopodnames %v: the pod is %q", no, got)
		}
	}
}
