package zookeeper

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

var services = newLayout("/services", curator, "zookeeper")

const (
	springData = `{"name":"web","id":"a","address":"10.0.0.1","port":8080,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"application-1","name":"web","metadata":{"instance_status":"UP"}},"registrationTimeUTC":1605873188009,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},{"value":":","variable":false},{"value":"port","variable":true}]}}`
	dubboData  = `{"name":"orders","id":"10.0.0.7:20880","address":"10.0.0.7","port":20880,"sslPort":null,"payload":{"@class":"org.apache.dubbo.registry.zookeeper.ZookeeperInstance","id":"10.0.0.7:20880","name":"orders","metadata":{"dubbo.endpoints":"[{\"port\":20880,\"protocol\":\"dubbo\"}]","dubbo.metadata.storage-type":"local"}},"registrationTimeUTC":1605873188009,"serviceType":"DYNAMIC","uriSpec":null}`
)

// TestDecode has one story a row: lines of "path data" below the path, or of
// "@owner/name data" for a side node, and what they make.
func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"as Spring writes it", "web/a " + springData, `
service zookeeper/web Headless
	port "" TCP 8080
	endpoint 10.0.0.1 id=a ready serving
		port "" TCP 8080
`},
		{"as Dubbo writes it", "orders/10.0.0.7:20880 " + dubboData, `
service zookeeper/orders Headless
	port "" TCP 20880
	endpoint 10.0.0.7 id=10.0.0.7:20880 ready serving
		port "" TCP 20880
		meta dubbo.endpoints="[{\"port\":20880,\"protocol\":\"dubbo\"}]"
		meta dubbo.metadata.storage-type=local
`},
		{"every type of service", `web/a {"address":"10.0.0.1","serviceType":"DYNAMIC"}
web/b {"address":"10.0.0.2","serviceType":"DYNAMIC_SEQUENTIAL"}
web/c {"address":"10.0.0.3","serviceType":"STATIC"}
web/d {"address":"10.0.0.4","serviceType":"PERMANENT"}
web/e {"address":"10.0.0.5","serviceType":"LATER"}
web/f {"address":"10.0.0.6","serviceType":null}
web/g {"address":"10.0.0.7","serviceType":7}`, `
service zookeeper/web Headless
	endpoint 10.0.0.1 id=a ready serving
	endpoint 10.0.0.2 id=b ready serving
	endpoint 10.0.0.3 id=c ready serving
	endpoint 10.0.0.4 id=d ready serving
	endpoint 10.0.0.5 id=e ready serving
	endpoint 10.0.0.6 id=f ready serving
	endpoint 10.0.0.7 id=g ready serving
`},
		{"ports", `web/both {"address":"10.0.0.1","port":80,"sslPort":443}
web/none {"address":"10.0.0.2","port":null,"sslPort":null}
web/ssl {"address":"10.0.0.3","port":null,"sslPort":8443}
web/zero {"address":"10.0.0.4","port":0}`, `
service zookeeper/web Headless
	port "" TCP 80
	port https TCP 443 app=https
	port https TCP 8443 app=https
	endpoint 10.0.0.1 id=both ready serving
		port "" TCP 80
		port https TCP 443 app=https
	endpoint 10.0.0.2 id=none ready serving
	endpoint 10.0.0.3 id=ssl ready serving
		port https TCP 8443 app=https
	endpoint 10.0.0.4 id=zero ready serving
`},
		{"schemes", `web/a {"address":"10.0.0.1","port":1,"uriSpec":{"parts":[{"value":"grpc://","variable":false},{"value":"address","variable":true}]}}
web/b {"address":"10.0.0.2","port":2,"uriSpec":{"parts":[{"value":"HTTP","variable":false},{"value":"://","variable":false}]}}
web/c {"address":"10.0.0.3","port":3,"uriSpec":{"parts":[{"value":"a b://","variable":false}]}}
web/d {"address":"10.0.0.4","port":4,"uriSpec":"http://"}
web/e {"address":"10.0.0.5","port":5,"uriSpec":{"parts":[{"value":"x","variable":false},{"value":"scheme","variable":true},{"value":"://","variable":false}]}}`, `
service zookeeper/web Headless
	port "" TCP 1 app=grpc
	port "" TCP 2 app=http
	port "" TCP 3
	port "" TCP 4
	port "" TCP 5
	endpoint 10.0.0.1 id=a ready serving
		port "" TCP 1 app=grpc
	endpoint 10.0.0.2 id=b ready serving
		port "" TCP 2 app=http
	endpoint 10.0.0.3 id=c ready serving
		port "" TCP 3
	endpoint 10.0.0.4 id=d ready serving
		port "" TCP 4
	endpoint 10.0.0.5 id=e ready serving
		port "" TCP 5
`},
		{"out of service", `web/a {"address":"10.0.0.1","enabled":false}
web/b {"address":"10.0.0.2","enabled":true}
web/c {"address":"10.0.0.3","enabled":null}
web/d {"address":"10.0.0.4","payload":{"metadata":{"instance_status":"OUT_OF_SERVICE"}}}
web/e {"address":"10.0.0.5","payload":{"metadata":{"instance_status":"up"}}}
web/f {"address":"10.0.0.6","payload":{"metadata":{"instance_status":null}}}
web/g {"address":"10.0.0.7","payload":{"metadata":{"instance_status":" "}}}`, `
service zookeeper/web Headless
	endpoint 10.0.0.1 id=a
	endpoint 10.0.0.2 id=b ready serving
	endpoint 10.0.0.3 id=c ready serving
	endpoint 10.0.0.4 id=d
	endpoint 10.0.0.5 id=e ready serving
	endpoint 10.0.0.6 id=f ready serving
	endpoint 10.0.0.7 id=g ready serving
`},
		{"payloads of any class", `web/a {"address":"10.0.0.1","payload":"text"}
web/b {"address":"10.0.0.2","payload":["java.util.ArrayList",[1]]}
web/c {"address":"10.0.0.3","payload":7}
web/d {"address":"10.0.0.4","payload":{"@class":"com.example.Odd","metadata":"none"}}
web/e {"address":"10.0.0.5","payload":{"metadata":{"a":"b","n":1,"o":{"x":"y"},"isthmus.dev/drift":"1","zone":"eu-1","weight":"7"}}}`, `
service zookeeper/web Headless
	endpoint 10.0.0.1 id=a ready serving
	endpoint 10.0.0.2 id=b ready serving
	endpoint 10.0.0.3 id=c ready serving
	endpoint 10.0.0.4 id=d ready serving
	endpoint 10.0.0.5 id=e ready serving zone=eu-1 weight=7
		meta a=b
		meta weight=7
		meta zone=eu-1
`},
		{"names", `a/b/c/x {"address":"10.0.0.1"}
MiXeD/x {"address":"DB.example.org."}
com.example.Greeter:1/x {"address":"fd00::1"}
x {"address":"10.0.0.2"}
bü/x {"address":"10.0.0.3"}`, `
refused /services/bü: name "bü" is no key's: cannot be held
service zookeeper/a-b-c Headless
	meta isthmus.dev/path=/services/a/b/c
	endpoint 10.0.0.1 id=x ready serving
service zookeeper/com.example.greeter:1 Headless
	meta isthmus.dev/path=/services/com.example.Greeter:1
	endpoint fd00::1 id=x ready serving
service zookeeper/mixed Headless
	meta isthmus.dev/path=/services/MiXeD
	endpoint db.example.org id=x ready serving
service zookeeper/services Headless
	meta isthmus.dev/path=/services
	endpoint 10.0.0.2 id=x ready serving
`},
		{"bad instances", `web/a {"address":"10.0.0.1"}
web/b {"address":"10.0.0.1","port":70000}
web/c {"address":"127.0.0.1"}
web/d {"address":"http://x"}
web/e {"address":"10.0.0.1","port":"80"}
web/f {"address":"","port":80}
web/g {"address":"10.0.0.300"}
web/h {"address":"10.0.0.1","sslPort":-1}`, `
refused /services/web/b: port: 70000 is out of range: cannot be held
refused /services/web/c: address "127.0.0.1" is loopback: cannot be held
refused /services/web/d: address "http://x": label "http://x" holds more than lower case letters, digits, "-_": cannot be held
refused /services/web/e: data: json: cannot unmarshal string into Go struct field curatorText.port of type int
refused /services/web/f: address "": empty label: cannot be held
refused /services/web/g: address "10.0.0.300" is neither an address nor a name: cannot be held
refused /services/web/h: sslPort: -1 is out of range: cannot be held
service zookeeper/web Headless
	endpoint 10.0.0.1 id=a ready serving
`},
		{"what is no instance", `web 10.1.2.3
web/a {"name":"web"}
web/b null
web/c oops
web/d {"address":null}`, `
foreign /services/web
foreign /services/web/a
foreign /services/web/b
foreign /services/web/c
foreign /services/web/d
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), decodeText(t, services, tt.in)); diff != "" {
				t.Errorf("decode (-want +got):\n%s", diff)
			}
		})
	}
}

// stood is what stands at one name.
type stood struct {
	records []*record
	sides   []*side
}

// decodeText decodes lines of "path data" and shows what comes out.
func decodeText(t testing.TB, l layout, lines string) string {
	t.Helper()
	names := map[string]*stood{}
	at := func(name string) *stood {
		if names[name] == nil {
			names[name] = &stood{}
		}
		return names[name]
	}
	var out []string
	for line := range strings.Lines(lines) {
		path, data, _ := strings.Cut(strings.TrimSpace(line), " ")
		if of, isSide := strings.CutPrefix(path, "@"); isSide {
			owner, name, _ := strings.Cut(of, "/")
			name, s := l.parseSide(znode{path: l.mirrors(owner) + "/" + name, data: []byte(data), mzxid: 1})
			at(name).sides = append(at(name).sides, s)
			continue
		}
		n := znode{path: l.path + "/" + path, data: []byte(data), mzxid: 1}
		r, err := l.parse(n)
		if err != nil {
			out = append(out, "foreign "+n.path+"\n")
		}
		if r != nil {
			name, _ := l.split(n.path)
			at(name).records = append(at(name).records, r)
		}
	}
	var all []*catalog.Service
	for name, stood := range names {
		services, refused := l.decode(name, stood.records, stood.sides)
		all = append(all, services...)
		for path, err := range refused {
			out = append(out, fmt.Sprintf("refused %s: %v\n", path, err))
		}
	}
	for _, s := range all {
		if s.Version == "" {
			t.Errorf("no version of\n%s", s.Text())
		}
		s.Version = ""
	}
	slices.Sort(out)
	var b strings.Builder
	b.WriteString(strings.Join(out, ""))
	if err := catalog.WriteText(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDecodeFormats has the formats other than Curator's.
func TestDecodeFormats(t *testing.T) {
	for _, tt := range []struct{ format, in, want string }{
		{serverset, `web/member_0000000001 {"serviceEndpoint":{"host":"10.0.0.1","port":80},"additionalEndpoints":{"Admin":{"host":"10.0.0.1","port":81},"far":{"host":"10.0.0.9","port":82},"a b":{"host":"10.0.0.1","port":83}},"status":"ALIVE","shard":0}
web/member_0000000002 {"serviceEndpoint":{"host":"10.0.0.2","port":80},"additionalEndpoints":{},"status":"STARTING"}
web/member_0000000003 {"serviceEndpoint":{"host":"10.0.0.3","port":80}}
web/member_0000000004 {}
web/member_0000000005
web/vector {"serviceEndpoint":{"host":"10.0.0.1","port":80},"status":"ALIVE"}
member_0000000006 {"serviceEndpoint":{"host":"db.example.org","port":5432},"status":"ALIVE"}`, `
refused /services/web/member_0000000001: additional endpoint "a b": label "a b" holds more than lower case letters, digits, "-_": cannot be held
additional endpoint "far": at another host, "10.0.0.9": cannot be held
refused /services/web/member_0000000004: no serviceEndpoint: cannot be held
refused /services/web/member_0000000005: data: unexpected end of JSON input
service zookeeper/services Headless
	port "" TCP 5432
	meta isthmus.dev/path=/services
	endpoint db.example.org id=member_0000000006 ready serving
		port "" TCP 5432
service zookeeper/web Headless
	port "" TCP 80
	port admin TCP 81
	endpoint 10.0.0.1 id=member_0000000001 ready serving
		port "" TCP 80
		port admin TCP 81
	endpoint 10.0.0.2 id=member_0000000002
		port "" TCP 80
	endpoint 10.0.0.3 id=member_0000000003
		port "" TCP 80
`},
		{nerve, `web/a {"host":"10.0.0.1","port":80,"name":"vm-1","weight":3}
web/b {"host":"10.0.0.2","port":"80","name":"vm-2"}
web/c {"host":"fd00::3"}
web/d {"name":"vm-4"}
web/e {"host":"::1","port":1}`, `
foreign /services/web/d
refused /services/web/b: data: json: cannot unmarshal string into Go struct field .port of type int
refused /services/web/e: address "::1" is loopback: cannot be held
service zookeeper/web Headless
	port "" TCP 80
	endpoint 10.0.0.1 id=a ready serving weight=3
		port "" TCP 80
	endpoint fd00::3 id=c ready serving
`},
	} {
		t.Run(tt.format, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), decodeText(t, newLayout("/services", tt.format, "zookeeper"), tt.in)); diff != "" {
				t.Errorf("decode (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzDecode holds that no path and data upset the decoder: a node is read, or refused
// by its own path, or is rightly none; a bad one takes no good one with it; and what
// comes out is bounded by what went in.
func FuzzDecode(f *testing.F) {
	f.Add("web/a", springData, "prod", `{"format":1,"owner":"prod","key":"shop/web","name":"web","endpoints":[{"id":"a","host":"10.0.0.1"}]}`)
	f.Add("web/isthmus-prod-0123456789ab", dubboData, "prod", `{"format":9,"owner":"prod","name":"web","endpoints":7}`)
	f.Add("a/b/member_1", `{"serviceEndpoint":{"host":"10.0.0.1","port":1},"additionalEndpoints":{"x":{}},"status":"ALIVE"}`, "?", "{}")
	for _, name := range hostile.Names() {
		f.Add(name+"/a", `{"address":"10.0.0.1"}`, name, `{"format":1,"owner":"`+name+`","key":"a/b","name":"web"}`)
		f.Add("web/"+name, `{"address":"10.0.0.1","payload":{"metadata":{"`+name+`":"`+name+`"}}}`, "prod", name)
	}
	for _, v := range hostile.Instances() {
		f.Add("web/a", v.Text, "prod", v.Text)
	}
	f.Fuzz(func(t *testing.T, path, data, owner, side string) {
		for _, format := range []string{curator, serverset, nerve} {
			l := newLayout("/services", format, "zookeeper")
			l.owner = "prod"
			testDecode(t, l, znode{path: "/services/" + path, data: []byte(data), mzxid: 1}, znode{path: l.mirrors(owner) + "/web", data: []byte(side), mzxid: 2})
		}
	})
}

func testDecode(t *testing.T, l layout, instance, mark znode) {
	t.Helper()
	good := map[string]string{
		curator: `{"address":"10.9.9.9"}`, nerve: `{"host":"10.9.9.9"}`,
		serverset: `{"serviceEndpoint":{"host":"10.9.9.9","port":1},"status":"ALIVE"}`,
	}[l.format]
	neighbour, err := l.parse(znode{path: "/services/web/" + member + "neighbour", data: []byte(good), mzxid: 3})
	if err != nil || neighbour == nil || neighbour.err != nil {
		t.Fatalf("the neighbour is refused: %v", err)
	}
	records := []*record{neighbour}
	if r, err := l.parse(instance); r != nil && instance.path != neighbour.path {
		if err != nil {
			t.Errorf("parse %q: both a record and %v", instance.path, err)
		}
		records = append(records, r)
	}
	var sides []*side
	if name, s := l.parseSide(mark); name == "web" {
		sides = append(sides, s)
	}
	all, refused := l.decode("web", records, sides)
	for path, err := range refused {
		if err == nil || path != instance.path && path != mark.path {
			t.Errorf("refused %q: %v", path, err)
		}
		if n := len(err.Error()); n > 2000 {
			t.Errorf("a refusal of %d bytes", n)
		}
	}
	there := false
	for _, s := range all {
		checkDecoded(t, s, len(instance.data)+len(mark.data))
		there = there || slices.ContainsFunc(s.Endpoints, func(e catalog.Endpoint) bool { return s.Mark == nil && e.Host.String() == "10.9.9.9" })
	}
	if !there {
		t.Error("the neighbour is gone")
	}
}

// checkDecoded holds what every reader relies on.
func checkDecoded(t *testing.T, s *catalog.Service, size int) {
	t.Helper()
	if s.Key != (catalog.Key{Namespace: "zookeeper", Name: "web"}) || s.Version == "" || s.Type == catalog.ClusterIP {
		t.Errorf("decoded\n%s", s.Text())
	}
	if len(s.Endpoints) > size/10+1 || len(s.Meta) > maxMeta {
		t.Errorf("%d bytes became\n%s", size, s.Text())
	}
	for _, e := range s.Endpoints {
		if err := checkHost(e.Host); err != nil {
			t.Errorf("endpoint at %v: %v", e.Host, err)
		}
		if e.Host.Addr.IsValid() && registry.CheckAddr(e.Host.Addr) != nil {
			t.Errorf("endpoint at %v", e.Host)
		}
		if len(e.Ports) > maxPorts || len(e.Meta) > maxMeta {
			t.Errorf("endpoint %q has %d ports and %d metadata", e.ID, len(e.Ports), len(e.Meta))
		}
	}
}
