package zookeeper

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// sideOf is the data of a side node with two endpoints.
const sideOf = `{"format":1,"owner":"prod","of":"kubernetes:1","key":"shop/web","via":"consul:1","name":"web-shop","registered":7,"ttl":45,"meta":{"team":"blue"},` +
	`"ports":[{"name":"http","proto":"TCP","number":8080,"app":"http"}],"endpoints":[` +
	`{"id":"a","host":"10.0.0.1","hostname":"web-0","pod":"web-0","zone":"eu-1","node":"n1","weight":5,"priority":2,"tags":["v1"],"meta":{"rack":"7"}},` +
	`{"id":"b","host":"10.0.0.2","ports":[{"name":"dns","proto":"UDP","number":53},{"name":"http","proto":"TCP","number":8081}]}]}`

// mirrorLines replaces what is in braces: {side}, and {a} and {b}, the nodes of its two
// endpoints.
func mirrorLines(text string) string {
	mark := &catalog.Mark{Owner: "prod", Key: catalog.Key{Namespace: "shop", Name: "web"}}
	words := []string{"{side}", "@prod/web-shop " + sideOf}
	for i, id := range []string{"a", "b"} {
		e := catalog.Endpoint{ID: id, Host: catalog.Host{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})}}
		words = append(words, "{"+id+"}", "web-shop/"+instanceID(mark, &e, 0))
	}
	return strings.NewReplacer(words...).Replace(text)
}

const (
	mirrored = `
service zookeeper/web-shop Headless ttl=45s
	mark owner=prod of=kubernetes:1 key=shop/web via=consul:1 format=1
	port dns UDP 53
	port http TCP 8080 app=http
	port http TCP 8081
	meta team=blue
	endpoint 10.0.0.1 id=a ready serving hostname=web-0 pod=web-0 zone=eu-1 node=n1 priority=2 weight=5
		port http TCP 8080 app=http
		tag v1
		meta rack=7
	endpoint 10.0.0.2 id=b ready serving
		port dns UDP 53
		port http TCP 8081
`
	mirroredA = `
service zookeeper/web-shop Headless ttl=45s
	mark owner=prod of=kubernetes:1 key=shop/web via=consul:1 format=1
	port http TCP 8080 app=http
	meta team=blue
	endpoint 10.0.0.1 id=a ready serving hostname=web-0 pod=web-0 zone=eu-1 node=n1 priority=2 weight=5
		port http TCP 8080 app=http
		tag v1
		meta rack=7
`
)

// TestDecodeMirror has what a mirror reads as, whole and damaged.
func TestDecodeMirror(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"whole", `{side}
{a} {"address":"10.0.0.1","port":8080}
{b} {"address":"10.0.0.2","port":8081}`, mirrored},
		{"beside a native", `{side}
{a} {"address":"10.0.0.1","port":8080}
{b} {"address":"10.0.0.2","port":8081}
web-shop/vm {"address":"10.0.0.9","port":1}`, `
service zookeeper/web-shop Headless
	port "" TCP 1
	endpoint 10.0.0.9 id=vm ready serving
		port "" TCP 1
` + mirrored[1:]},
		{"an instance is gone", `{side}
{a} {"address":"10.0.0.1","port":8080}`, mirroredA},
		{"an instance has another address", `{side}
{a} {"address":"10.0.0.1","port":8080}
{b} {"address":"10.0.0.3","port":8081}`, mirroredA},
		{"an instance has another port", `{side}
{a} {"address":"10.0.0.1","port":8080}
{b} {"address":"10.0.0.2","port":53}`, mirroredA},
		{"an instance has no port", `{side}
{a} {"address":"10.0.0.1","port":8080}
{b} {"address":"10.0.0.2"}`, mirroredA},
		{"an instance cannot be read", mirrorLines(`{side}
{a} {"address":"10.0.0.1","port":8080}
{b} oops`), "\nrefused /services/" + mirrorLines("{b}") + ": no instance's data: invalid character 'o' looking for beginning of value" + mirroredA},
		{"the side node is gone", `{a} {"address":"10.0.0.1","port":8080}`, ""},
		{"the side node cannot be read", `@prod/web-shop oops
{a} {"address":"10.0.0.1","port":8080}`, "\nrefused /isthmus/%2Fservices/prod/mirrors/web-shop: mark: invalid character 'o' looking for beginning of value\n"},
		{"a side node of another name", `@prod/web {"format":1,"owner":"prod","key":"a/b","name":"db"}`, `
refused /isthmus/%2Fservices/prod/mirrors/web: mark: it is of "db" of owner "prod": cannot be held
`},
		{"a newer format", `@prod/web {"format":9,"owner":"prod","key":["a","b"],"name":"web"}`, `
refused /isthmus/%2Fservices/prod/mirrors/web: mark: json: cannot unmarshal array into Go struct field sideText.key of type string
service zookeeper/web Headless
	mark owner=prod format=9
`},
		{"a name", `@prod/web {"format":1,"owner":"prod","key":"shop/web","name":"web","alias":"DB.example.org."}`, `
service zookeeper/web Headless
	mark owner=prod key=shop/web format=1
`},
		{"endpoints that nobody may name", `@prod/web {"format":1,"owner":"prod","key":"shop/web","name":"web","endpoints":[{"id":"a","host":"127.0.0.1"},{"id":"b","host":"10.0.0.1"}]}`, `
refused /isthmus/%2Fservices/prod/mirrors/web: 1 endpoints cannot be held: cannot be held
service zookeeper/web Headless
	mark owner=prod key=shop/web format=1
`},
		{"where no mirror can be", `a/b/isthmus-prod-0123456789ab {"address":"10.0.0.1"}
isthmus-prod-0123456789ab {"address":"10.0.0.1"}
@?/web {"format":1,"owner":"?","key":"a/b","name":"web"}
@prod/WEB {"format":1,"owner":"prod","key":"a/b","name":"WEB"}
@prod/a%2Fb {"format":1,"owner":"prod","key":"a/b","name":"a/b"}`, `
refused /isthmus/%2Fservices/?/mirrors/web: no side node of a mirror
refused /isthmus/%2Fservices/prod/mirrors/WEB: no mirror has the name "WEB"
refused /isthmus/%2Fservices/prod/mirrors/a%2Fb: no mirror has the name "a/b"
refused /services/a/b/isthmus-prod-0123456789ab: an instance of a mirror, where none can be
refused /services/isthmus-prod-0123456789ab: an instance of a mirror, where none can be
`},
		{"names that only look like ours", `web/isthmus-prod-0123456789AB {"address":"10.0.0.1"}
web/isthmus--0123456789ab {"address":"10.0.0.2"}
web/isthmus-0123456789ab {"address":"10.0.0.3"}`, `
service zookeeper/web Headless
	endpoint 10.0.0.2 id=isthmus--0123456789ab ready serving
	endpoint 10.0.0.3 id=isthmus-0123456789ab ready serving
	endpoint 10.0.0.1 id=isthmus-prod-0123456789AB ready serving
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), decodeText(t, services, mirrorLines(tt.in))); diff != "" {
				t.Errorf("decode (-want +got):\n%s", diff)
			}
		})
	}
}

// TestDecodeAllowed holds which hosts others' nodes may name, and that our own may name
// any.
func TestDecodeAllowed(t *testing.T) {
	l := services
	l.hosts = new(registry.Hosts)
	if _, err := l.hosts.Option(stanza.Stanza{Words: []string{"allow_cidr", "10.0.0.1/32"}}); err != nil {
		t.Fatal(err)
	}
	in := mirrorLines(`{side}
{a} {"address":"10.0.0.1","port":8080}
{b} {"address":"10.0.0.2","port":8081}
web-shop/vm {"address":"10.0.0.9","port":1}`)
	want := `refused /isthmus/%2Fservices/prod/mirrors/web-shop: endpoint "b": address "10.0.0.2" is in no network of allow_cidr: cannot be held
refused /services/web-shop/vm: address "10.0.0.9" is in no network of allow_cidr: cannot be held` + mirroredA
	if diff := cmp.Diff(want, decodeText(t, l, in)); diff != "" {
		t.Errorf("decode (-want +got):\n%s", diff)
	}
	l.owner = "prod"
	if got := decodeText(t, l, in); !strings.Contains(got, "endpoint 10.0.0.2 id=b ready serving") {
		t.Errorf("of our own mirror is left\n%s", got)
	}
}

// TestEscape holds that each path has a node's name of its own.
func TestEscape(t *testing.T) {
	for _, path := range append(hostile.Names(), "/services", "a/b", "a%2Fb", "a%252Fb") {
		name := escape(path)
		if back, ok := unescape(name); !ok || back != path || strings.Contains(name, "/") {
			t.Errorf("escape(%q) = %q, which is of %q, %v", path, name, back, ok)
		}
	}
	for _, name := range []string{"%2f", "a%", "%", "%41"} {
		if path, ok := unescape(name); ok {
			t.Errorf("unescape(%q) = %q", name, path)
		}
	}
}

// TestVersion holds that a version tells every state of every node from every other.
func TestVersion(t *testing.T) {
	a, b := stamp{path: "/a", mzxid: 1}, stamp{path: "/b", mzxid: 2}
	newer, other := b, b
	newer.mzxid, other.path = 3, "/c"
	seen := map[string]string{}
	for _, all := range [][]stamp{nil, {a}, {b}, {a, b}, {a, newer}, {a, other}} {
		v := versionOf(all)
		if was, twice := seen[v]; twice {
			t.Errorf("%v has version %q, as %s", all, v, was)
		}
		seen[v] = fmt.Sprint(all)
		slices.Reverse(all)
		if again := versionOf(all); again != v {
			t.Errorf("in another order %q is %q", v, again)
		}
	}
}
