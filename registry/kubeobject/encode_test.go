package kubeobject

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// mirror parses one service in text form and gives it a mark, if it has none.
func mirror(t testing.TB, text string) *catalog.Service {
	t.Helper()
	all, err := catalog.ParseText(text)
	if err != nil || len(all) != 1 {
		t.Fatalf("ParseText(%q) = %d services, %v", text, len(all), err)
	}
	if all[0].Mark == nil {
		all[0].Mark = &catalog.Mark{Owner: "prod", Of: "consul:dc1", Key: catalog.Key{Namespace: "consul", Name: "web"}, Format: catalog.MarkFormat}
	}
	return all[0]
}

func TestEncode(t *testing.T) {
	got, err := Encode(mirror(t, `service consul/web Headless ttl=30s
	meta team=blue
	endpoint 10.1.1.1 id=a ready serving zone=z node=n weight=2
		port http TCP 8080 app=http
	endpoint 10.1.1.2 id=b
		port http TCP 8080 app=http
	endpoint 10.1.1.1 id=c ready serving
		port http TCP 8081
	endpoint fd00::1 id=d ready serving hostname=web-0
		port http TCP 8080 app=http
`))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	write := func(v any) {
		text, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(text))
	}
	write(got.Service)
	for _, slice := range got.Slices {
		write(slice)
	}
	golden(t, "testdata/mirror.yaml", b.String())
}

// update rewrites what tests read from testdata.
var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestCanon(t *testing.T) {
	for _, tt := range []struct{ name, in, want, err string }{{
		name: "virtual and external addresses",
		in:   "service a/b ClusterIP\n\taddr 10.0.0.1\n\texternal x.example.org\n\tport http TCP 80",
		want: "service a/b ClusterIP\n\tport http TCP 80",
	}, {
		name: "a virtual address without ports",
		in:   "service a/b ClusterIP\n\taddr 10.0.0.1\n\tendpoint 10.1.1.1 id=x ready",
		want: "service a/b Headless\n\tendpoint 10.1.1.1 id=10.1.1.1 ready",
	}, {
		name: "two names for one port",
		in:   "service a/b Headless\n\tport http TCP 80\n\tport web TCP 80\n\tport web-udp UDP 80\n\tendpoint 10.1.1.1 id=x ready\n\t\tport http TCP 80\n\t\tport web TCP 80",
		want: "service a/b Headless\n\tport http TCP 80\n\tport web-udp UDP 80\n\tendpoint 10.1.1.1 id=10.1.1.1 ready\n\t\tport http TCP 80\n\t\tport web TCP 80",
	}, {
		name: "tags of all",
		in:   "service a/b Headless\n\tmeta isthmus.dev/tags=v1,v2\n\tmeta k=v",
		want: "service a/b Headless\n\tmeta isthmus.dev/tags=v1,v2\n\tmeta k=v",
	}, {
		name: "tags that do not fit",
		in:   "service a/b Headless\n\tmeta isthmus.dev/tags=" + strings.Repeat("x", maxAnnotations+1),
		err:  "metadata has",
	}, {
		name: "endpoints with names beside addresses",
		in:   "service a/b Headless\n\tendpoint db.example.org id=a ready\n\tendpoint 10.1.1.1 id=b ready",
		want: "service a/b Headless\n\tendpoint 10.1.1.1 id=10.1.1.1 ready",
	}, {
		name: "one ready endpoint, with a name",
		in:   "service a/b Headless\n\tport pg TCP 5432\n\tendpoint db.example.org id=a ready",
		want: "service a/b ExternalName\n\talias db.example.org\n\tport pg TCP 5432",
	}, {
		name: "one endpoint, with a name, not ready",
		in:   "service a/b Headless\n\tendpoint db.example.org id=a",
		want: "service a/b Headless",
	}, {
		name: "only names",
		in:   "service a/b Headless\n\tendpoint db.example.org id=a ready\n\tendpoint dc.example.org id=b ready",
		err:  "2 endpoints have names and none an address",
	}, {
		name: "an alias",
		in:   "service a/b ExternalName\n\talias db.example.org\n\tendpoint 10.1.1.1 id=b ready",
		want: "service a/b ExternalName\n\talias db.example.org",
	}, {
		name: "an alias that Kubernetes refuses",
		in:   "service a/b ExternalName\n\talias _db.example.org",
		err:  `alias "_db.example.org"`,
	}, {
		name: "an alias that is an address",
		in:   "service a/b ExternalName\n\talias 10.1.1.1",
		err:  "is an address",
	}, {
		name: "one address twice with one set of ports",
		in:   "service a/b Headless\n\tendpoint 10.1.1.1 id=x\n\tendpoint 10.1.1.1 id=y ready serving",
		want: "service a/b Headless\n\tendpoint 10.1.1.1 id=10.1.1.1 ready serving",
	}, {
		name: "port names",
		in:   "service a/b Headless\n\tendpoint 10.1.1.1 id=x ready\n\t\tport \"\" TCP 80\n\t\tport My_Port TCP 81 app=\"no app\"\n\t\tport dns TCP 53\n\t\tport dns UDP 53\n\t\tport zero TCP 0\n\t\tport odd ICMP 7",
		want: "service a/b Headless\n\tport dns TCP 53\n\tport dns-udp UDP 53\n\tport my-port TCP 81\n\tport tcp-80 TCP 80\n\tendpoint 10.1.1.1 id=10.1.1.1 ready\n\t\tport dns TCP 53\n\t\tport dns-udp UDP 53\n\t\tport my-port TCP 81\n\t\tport tcp-80 TCP 80",
	}, {
		name: "a host label that is none",
		in:   "service a/b Headless\n\tendpoint 10.1.1.1 id=x hostname=a_b\n\tendpoint 10.1.1.2 id=y hostname=Web-0",
		want: "service a/b Headless\n\tendpoint 10.1.1.1 id=10.1.1.1\n\tendpoint 10.1.1.2 id=10.1.1.2 hostname=web-0",
	}, {
		name: "what has no field",
		in:   "service a/b Headless ttl=1.5s\n\tmeta k=v\n\tendpoint 10.1.1.1 id=x pod=p node=n weight=7\n\t\ttag t\n\t\tmeta k=v",
		want: "service a/b Headless ttl=1.5s\n\tmeta k=v\n\tendpoint 10.1.1.1 id=10.1.1.1 pod=p node=n weight=7\n\t\ttag t\n\t\tmeta k=v",
	}, {
		name: "a time to live that is none",
		in:   "service a/b Headless ttl=9000h",
		want: "service a/b Headless",
	}, {
		name: "an owner that is no label",
		in:   "service a/b Headless\n\tmark owner=\"prod/eu\" of=etcd:1 key=x/y format=1",
		want: "service a/b Headless",
	}, {
		name: "an address that nobody reaches",
		in:   "service a/b Headless\n\tendpoint 127.0.0.1 id=x ready",
		err:  `endpoint "x": address "127.0.0.1" is loopback`,
	}, {
		name: "a name that Kubernetes refuses",
		in:   "service a/b_c Headless",
		err:  `name "b_c"`,
	}, {
		name: "a namespace that Kubernetes refuses",
		in:   "service a.x/b Headless",
		err:  `name "a.x"`,
	}, {
		name: "the owner that nobody may be",
		in:   "service a/b Headless\n\tmark owner=? key=x/y format=1",
		err:  `owner "?"`,
	}, {
		name: "metadata that does not fit",
		in:   "service a/b Headless\n\tmeta k=" + strings.Repeat("x", maxAnnotations),
		err:  "metadata has",
	}, {
		name: "an endpoint's metadata that does not fit",
		in:   "service a/b Headless\n\tendpoint 10.1.1.1 id=x\n\t\tmeta k=" + strings.Repeat("x", maxAnnotations),
		err:  `endpoint "x" has too much metadata`,
	}} {
		t.Run(tt.name, func(t *testing.T) {
			in := mirror(t, tt.in)
			before := in.Text()
			got, err := Canon(in)
			if tt.err != "" {
				if !errors.Is(err, registry.ErrInvalid) || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("Canon = %v, %v; want error %q", got, err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := mirror(t, tt.want)
			want.Mark = in.Mark
			if diff := cmp.Diff(want.Text(), got.Text()); diff != "" {
				t.Errorf("Canon (-want +got):\n%s", diff)
			}
			if in.Text() != before {
				t.Error("Canon modified its argument")
			}
		})
	}
}

// TestCanonFixpoint holds that what reads back reads back as itself, and that
// writing it again writes nothing.
func TestCanonFixpoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawService(t)
		one, err := Canon(s)
		if err != nil {
			if !errors.Is(err, registry.ErrInvalid) {
				t.Fatalf("Canon: %v", err)
			}
			return
		}
		two, err := Canon(one)
		if err != nil {
			t.Fatalf("Canon of Canon: %v\n%s", err, one.Text())
		}
		if diff := cmp.Diff(one.Text(), two.Text()); diff != "" {
			t.Fatalf("Canon of Canon (-once +twice):\n%s\nof\n%s", diff, s.Text())
		}
		a, _ := Encode(one)
		b, _ := Encode(two)
		if _, changed := MergeService(a.Service, b.Service); changed {
			t.Fatalf("the Service would be written again: %s", cmp.Diff(a.Service, b.Service))
		}
		for _, slice := range a.Slices {
			if len(slice.Endpoints) > maxEndpoints || len(slice.Name) > 253 {
				t.Fatalf("slice %q with %d endpoints", slice.Name, len(slice.Endpoints))
			}
		}
	})
}

func drawService(t *rapid.T) *catalog.Service {
	word := rapid.SampledFrom([]string{"", "http", "HTTP", "dns", "dns-udp", "tcp-80", "a_b", "x.y", strings.Repeat("long", 20), "\xff"})
	port := rapid.Custom(func(t *rapid.T) catalog.Port {
		return catalog.Port{
			Name:   word.Draw(t, "name"),
			Proto:  rapid.SampledFrom([]catalog.Protocol{catalog.TCP, catalog.UDP, catalog.SCTP, "X"}).Draw(t, "proto"),
			Number: rapid.SampledFrom([]uint16{0, 53, 80, 81}).Draw(t, "number"),
			App:    word.Draw(t, "app"),
		}
	})
	ports := rapid.SliceOfN(port, 0, 4)
	meta := rapid.MapOfN(word, word, 0, 2)
	endpoint := rapid.Custom(func(t *rapid.T) catalog.Endpoint {
		return catalog.Endpoint{
			ID:       rapid.StringN(1, 5, 9).Draw(t, "id"),
			Host:     catalog.ParseHost(rapid.SampledFrom([]string{"10.1.1.1", "10.1.1.2", "10.1.1.3", "fd00::1", "db.example.org"}).Draw(t, "host")),
			Hostname: word.Draw(t, "hostname"),
			Ports:    ports.Draw(t, "ports"),
			Ready:    rapid.Bool().Draw(t, "ready"),
			Serving:  rapid.Bool().Draw(t, "serving"),
			Zone:     word.Draw(t, "zone"),
			Node:     word.Draw(t, "node"),
			Weight:   rapid.IntRange(0, 9).Draw(t, "weight"),
			Priority: rapid.Uint16Range(0, 9).Draw(t, "priority"),
			Tags:     rapid.SliceOfN(word, 0, 2).Draw(t, "tags"),
			Meta:     meta.Draw(t, "meta"),
		}
	})
	s := &catalog.Service{
		Key:       catalog.Key{Namespace: "a", Name: "b"},
		Mark:      &catalog.Mark{Owner: rapid.SampledFrom([]string{"prod", "pr od"}).Draw(t, "owner"), Of: "consul:1", Key: catalog.Key{Namespace: "c", Name: "d"}, Format: 1},
		Type:      catalog.ServiceType(rapid.IntRange(0, 2).Draw(t, "type")),
		Alias:     rapid.SampledFrom([]string{"", "x.example.org"}).Draw(t, "alias"),
		Ports:     ports.Draw(t, "ports"),
		Endpoints: rapid.SliceOfN(endpoint, 0, 6).Draw(t, "endpoints"),
		Meta:      meta.Draw(t, "meta"),
	}
	s.Sort()
	return s
}

// TestSlicesStayPut holds that an endpoint which comes changes one slice of
// many, and that no slice is larger than the API takes.
func TestSlicesStayPut(t *testing.T) {
	big := func(n int) map[string]*discoveryv1.EndpointSlice {
		s := mirror(t, "service a/b Headless")
		for i := range n {
			addr := netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)})
			s.Endpoints = append(s.Endpoints, catalog.Endpoint{ID: fmt.Sprint(i), Host: catalog.Host{Addr: addr}, Ready: true, Serving: true})
		}
		objects, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]*discoveryv1.EndpointSlice{}
		for _, slice := range objects.Slices {
			if len(slice.Endpoints) > maxEndpoints {
				t.Errorf("slice %q has %d endpoints", slice.Name, len(slice.Endpoints))
			}
			all[slice.Name] = slice
		}
		return all
	}
	before, after := big(1500), big(1501)
	if len(before) != 2 || len(after) != 2 {
		t.Fatalf("1500 endpoints in %d slices, 1501 in %d; want 2", len(before), len(after))
	}
	touched := 0
	for name, slice := range after {
		if _, changed := MergeSlice(before[name], slice); changed {
			touched++
		}
		if Shrinks(before[name], slice) {
			t.Errorf("slice %q lost an endpoint", name)
		}
	}
	if touched != 1 {
		t.Errorf("one endpoint more changes %d slices, want 1", touched)
	}
}

// TestMergeKeepsOthers holds that a write keeps what others added and takes
// away what is ours and no longer wanted.
func TestMergeKeepsOthers(t *testing.T) {
	was, err := Encode(mirror(t, "service a/b Headless\n\tmeta k=v\n\tendpoint 10.1.1.1 id=x"))
	if err != nil {
		t.Fatal(err)
	}
	was.Service.ResourceVersion = "5"
	was.Service.Labels["theirs"] = "x"
	was.Service.Spec.ClusterIPs = []string{"None"}
	now, err := Encode(mirror(t, "service a/b Headless"))
	if err != nil {
		t.Fatal(err)
	}
	merged, changed := MergeService(was.Service, now.Service)
	if !changed || merged.Labels["theirs"] != "x" || merged.Annotations[annotationMeta] != "" || merged.ResourceVersion != "5" || len(merged.Spec.ClusterIPs) != 1 {
		t.Errorf("MergeService = %v, %+v", changed, merged)
	}
	alias, err := Encode(mirror(t, "service a/b ExternalName\n\talias x.example.org"))
	if err != nil {
		t.Fatal(err)
	}
	if merged, _ := MergeService(was.Service, alias.Service); merged.Spec.ClusterIP != "" || merged.Spec.ClusterIPs != nil {
		t.Errorf("a Service that becomes an ExternalName keeps its cluster IPs: %+v", merged.Spec)
	}
}

// TestMergeKeepsClusterIP holds that what the server gave stays, and that a
// Service which cannot become what is wanted is known for it.
func TestMergeKeepsClusterIP(t *testing.T) {
	of := func(text string) *corev1.Service {
		t.Helper()
		objects, err := Encode(mirror(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return objects.Service
	}
	virtual, headless := of("service a/b ClusterIP\n\tport http TCP 80"), of("service a/b Headless\n\tport http TCP 80")
	alias := of("service a/b ExternalName\n\talias x.example.org")
	given := virtual.DeepCopy()
	given.Spec.ClusterIP, given.Spec.ClusterIPs = "10.0.0.1", []string{"10.0.0.1"}
	if merged, changed := MergeService(given, virtual); changed {
		t.Errorf("a Service with a cluster IP would be written again: %+v", merged.Spec)
	}
	if merged, changed := MergeService(alias, virtual); !changed || merged.Spec.IPFamilyPolicy == nil || merged.Spec.ExternalName != "" {
		t.Errorf("an alias that becomes a Service with a cluster IP: %v, %+v", changed, merged.Spec)
	}
	for _, tt := range []struct {
		name       string
		have, want *corev1.Service
		replaces   bool
	}{
		{"the same", given, virtual, false},
		{"to headless", given, headless, true},
		{"from headless", headless, virtual, true},
		{"to an alias", given, alias, false},
		{"from an alias", alias, headless, false},
	} {
		if got := Replaces(tt.have, tt.want); got != tt.replaces {
			t.Errorf("%s: Replaces = %v", tt.name, got)
		}
	}
}

// TestApart holds that what a bridge joined to a native Service is a part of it
// for those who answer, and apart for a bridge, and reads back as Canon.
func TestApart(t *testing.T) {
	m := mirror(t, "service a/b Headless\n\tmark owner=prod of=consul:dc1 key=consul/db joins format=1\n\tendpoint 10.2.0.1 id=vm ready serving weight=3\n\t\tport pg TCP 5432")
	objects, err := Encode(m)
	if err != nil || objects.Service != nil || len(objects.Slices) != 1 {
		t.Fatalf("Encode = %+v, %v", objects, err)
	}
	svc, all := nativeObjects(t)
	parts := []*Part{PartOf(objects.Slices[0])}
	for _, slice := range all {
		parts = append(parts, PartOf(slice))
	}
	whole, err := HeadOf(svc).Join(parts)
	if err != nil || len(whole.Endpoints) != 2 {
		t.Errorf("Join = %v, %v; want both endpoints", whole.Text(), err)
	}
	native, joined, err := HeadOf(svc).Apart(parts)
	if err != nil || native.Folded.Len() != 1 || len(joined) != 1 {
		t.Fatalf("Apart = %v, %v, %v", native.Text(), joined, err)
	}
	canon, err := Canon(m)
	if err != nil || !canon.Same(joined[0]) {
		t.Errorf("joined =\n%s\nCanon =\n%s\n%v", joined[0].Text(), canon.Text(), err)
	}
	if again, err := Canon(canon); err != nil || !again.Same(canon) {
		t.Errorf("Canon of Canon = %v, %v", again, err)
	}
	m.Endpoints = nil
	if canon, err := Canon(m); canon != nil || err != nil {
		t.Errorf("Canon of nothing = %v, %v; want absence", canon, err)
	}
}

func nativeObjects(t *testing.T) (*corev1.Service, []*discoveryv1.EndpointSlice) {
	t.Helper()
	return objects(t, "metadata: {namespace: a, name: b}\nspec: {clusterIP: 10.0.0.1}\n---\nmetadata: {name: s}\naddressType: IPv4\nendpoints: [{addresses: [10.1.1.1]}]")
}
