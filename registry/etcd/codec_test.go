package etcd

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

var cluster = newLayout("skydns", "cluster.local", "etcd")

// TestDecode has one story a row: lines of "key value" below the zone, and
// the services they make, or "refused KEY: why".
func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"named port", `svc/shop/web/_tcp/_http/a {"host":"10.0.0.1","port":8080,"ttl":60,"weight":5}`, `
service shop/web Headless ttl=1m0s
	port http TCP 8080
	endpoint 10.0.0.1 id=a ready serving weight=5
		port http TCP 8080
`},
		{"priorities, where one is said", `web/a {"host":"10.0.0.1","priority":20}
web/b {"host":"10.0.0.2"}
db/a {"host":"10.0.0.3"}`, `
service etcd/db Headless
	endpoint 10.0.0.3 id=a ready serving hostname=a
service etcd/web Headless
	endpoint 10.0.0.1 id=a ready serving hostname=a priority=20
	endpoint 10.0.0.2 id=b ready serving hostname=b priority=10
`},
		{"flat, with and without id", `web {"host":"10.0.0.1","port":80}
db/x1 {"host":"fd00::1"}`, `
service etcd/db Headless
	endpoint fd00::1 id=x1 ready serving hostname=x1
service etcd/web Headless
	port "" TCP 80
	endpoint 10.0.0.1 id=@ ready serving
		port "" TCP 80
`},
		{"several ports of one instance", `svc/shop/web/_tcp/_http/a {"host":"10.0.0.1","port":80}
svc/shop/web/_udp/_dns/a {"host":"10.0.0.1","port":53}
svc/shop/web/_udp/a {"host":"10.0.0.1","port":99}
svc/shop/web/a {"host":"10.0.0.1","port":-1}`, `
service shop/web Headless
	port "" UDP 99
	port dns UDP 53
	port http TCP 80
	endpoint 10.0.0.1 id=a ready serving hostname=a
		port "" UDP 99
		port dns UDP 53
		port http TCP 80
`},
		{"one id at two hosts", `web/_tcp/_a/x {"host":"10.0.0.1","port":80}
web/_tcp/_b/x {"host":"10.0.0.2","port":80}`, `
service etcd/web Headless
	port a TCP 80
	port b TCP 80
	endpoint 10.0.0.1 id=x@10.0.0.1 ready serving
		port a TCP 80
	endpoint 10.0.0.2 id=x@10.0.0.2 ready serving
		port b TCP 80
`},
		{"a name alone", `svc/shop/db {"host":"DB.example.org.","ttl":86400}`, `
service shop/db ExternalName ttl=5m0s
	alias db.example.org
`},
		{"a name with a port, a name among others", `web/a {"host":"db.example.org","port":5432}
x/a {"host":"a.example.org"}
x/b {"host":"10.0.0.1"}`, `
service etcd/web Headless
	port "" TCP 5432
	endpoint db.example.org id=a ready serving hostname=a
		port "" TCP 5432
service etcd/x Headless
	endpoint a.example.org id=a ready serving hostname=a
	endpoint 10.0.0.1 id=b ready serving hostname=b
`},
		{"wildcards are labels", `any/x {"host":"10.0.0.1"}
web/* {"host":"10.0.0.2"}`, `
service etcd/any Headless
	endpoint 10.0.0.1 id=x ready serving hostname=x
service etcd/web Headless
	endpoint 10.0.0.2 id=* ready serving
`},
		{"deeper names are ids", `web/b/a {"host":"10.0.0.1"}`, `
service etcd/web Headless
	endpoint 10.0.0.1 id=a.b ready serving
`},
		{"texts and name servers are passed over", `web/t {"text":"hello"}
dns/ns/a {"host":"10.0.0.1"}
dns oops`, ``},
		{"what stands below hides", `web {"host":"10.0.0.1"}
web/a {"host":"10.0.0.2"}`, `
refused web: hidden by the records below it
service etcd/web Headless
	endpoint 10.0.0.2 id=a ready serving hostname=a
`},
		{"bad records", `web/a {"host":"10.0.0.1"}
web/b oops
web/c {"host":"127.0.0.1"}
web/d {"host":"http://x"}
web/e {"host":"10.0.0.1","port":70000}
web/f {}
web/G {"host":"10.0.0.1"}
web/_tcp/_/h {"host":"10.0.0.1"}
web/_quic/i {"host":"10.0.0.1"}
web/j/ {"host":"10.0.0.1"}
web/k {"host":"10.0.0.300"}
web/l {"host":"10.0.0.1","weight":-1}
web/l2 {"host":"10.0.0.1","priority":65536}
web/m {"host":"10.0.0.1","isthmus":{"owner":"?"}}
_tcp/n {"host":"10.0.0.1"}
svc/x {"host":"10.0.0.1"}`, `
refused _tcp/n: label "_tcp" begins or ends with "-_"
refused svc/x: below svc: want svc/<namespace>/<name>
refused web/G: label "G" is not in lower case, so no query finds it
refused web/_quic/i: label "_quic": want _tcp, _udp or _sctp
refused web/_tcp/_/h: empty label
refused web/b: value: invalid character 'o' looking for beginning of value
refused web/c: address "127.0.0.1" is loopback: cannot be held
refused web/d: host "http://x": label "http://x" holds more than letters, digits, "-_"
refused web/e: port 70000 is out of range
refused web/f: neither host nor text
refused web/j/: empty label
refused web/k: host "10.0.0.300" is neither an address nor a name
refused web/l2: priority 65536 is out of range
refused web/l: weight -1 is out of range
refused web/m: mark: "?" is no owner
service etcd/web Headless
	endpoint 10.0.0.1 id=a ready serving hostname=a
`},
		{"external-dns", `web/0a1b2c3d {"host":"10.0.0.1","targetstrip":1,"owner":"default"}
web/x {"host":"10.0.0.2"}
old/0a1b2c3d {"host":"10.0.0.3","text":"heritage=external-dns,external-dns/owner=x"}`, `
service etcd/old Headless
	mark owner=? format=0
	endpoint 10.0.0.3 id=0a1b2c3d ready serving hostname=0a1b2c3d
service etcd/web Headless
	endpoint 10.0.0.2 id=x ready serving hostname=x
service etcd/web Headless
	mark owner=? format=0
	endpoint 10.0.0.1 id=0a1b2c3d ready serving hostname=0a1b2c3d
`},
		{"native and mirrors under one key", `svc/shop/web/a {"host":"10.0.0.1"}
svc/shop/web/b {"host":"10.0.0.2","ttl":30,"isthmus":{"owner":"prod","of":"kubernetes:1","key":"s/w","format":1}}
svc/shop/web/c {"host":"10.0.0.3","isthmus":{"owner":"new","key":"s/w","format":2,"of":7}}`, `
service shop/web Headless
	endpoint 10.0.0.1 id=a ready serving hostname=a
service shop/web Headless
	mark owner=new key=s/w format=2
	endpoint 10.0.0.3 id=c ready serving
service shop/web Headless
	mark owner=prod of=kubernetes:1 key=s/w format=1
	endpoint 10.0.0.2 id=b ready serving
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), decodeText(t, tt.in)); diff != "" {
				t.Errorf("decode (-want +got):\n%s", diff)
			}
		})
	}
}

// decodeText decodes lines of "key value" and shows what comes out.
func decodeText(t testing.TB, lines string) string {
	t.Helper()
	groups := map[catalog.Key][]*record{}
	for line := range strings.Lines(lines) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if r := parseRecord(cluster, cluster.base+key, []byte(value)); r != nil {
			groups[r.place.Key] = append(groups[r.place.Key], r)
		}
	}
	var all []*catalog.Service
	var out []string
	for _, g := range groups {
		services, refused := decode(cluster, g, "", nil)
		all = append(all, services...)
		for key, err := range refused {
			out = append(out, "refused "+strings.TrimPrefix(key, cluster.base)+": "+err.Error()+"\n")
		}
	}
	for _, s := range all {
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

// TestEncode has the rows of encode's table. What is common to all values is
// left out; Canon is given as the endpoints' ids.
func TestEncode(t *testing.T) {
	const head = "service shop/web Headless\n\tmark owner=prod of=kubernetes:1 key=s/w format=1\n"
	for _, tt := range []struct{ name, in, want string }{
		{"named port", "\tendpoint 10.0.0.1 id=a ready\n\t\tport http TCP 80\n", `_tcp/_http/a {"host":"10.0.0.1","port":80,"ttl":30}`},
		{"unnamed ports", "\tendpoint 10.0.0.1 id=a ready\n\t\tport \"\" TCP 80\n\t\tport \"\" UDP 53\n", `_udp/a {"host":"10.0.0.1","port":53,"ttl":30}
a {"host":"10.0.0.1","port":80,"ttl":30}`},
		{"no port", "\tendpoint 10.0.0.1 id=a ready weight=7\n", `a {"host":"10.0.0.1","port":-1,"weight":7,"ttl":30}`},
		{"host name", "\tendpoint 10.0.0.1 id=a ready hostname=web-0 zone=z\n\t\tport http TCP 80 app=h2\n", `_tcp/_http/web-0 {"host":"10.0.0.1","port":80,"ttl":30} hostname=web-0 zone=z app=h2
web-0 {"host":"10.0.0.1","port":-1,"ttl":30} hostname=web-0 zone=z`},
		{"dual stack", "\tendpoint 10.0.0.1 id=a ready hostname=web-0\n\t\tport http TCP 80\n\tendpoint fd00::1 id=b ready hostname=web-0\n\t\tport http TCP 80\n",
			`_tcp/_http/a {"host":"10.0.0.1","port":80,"ttl":30} hostname=web-0
_tcp/_http/b {"host":"fd00::1","port":80,"ttl":30} hostname=web-0
web-0/a {"host":"10.0.0.1","port":-1,"ttl":30} id=a hostname=web-0
web-0/b {"host":"fd00::1","port":-1,"ttl":30} id=b hostname=web-0`},
		{"id that is no label", "\tendpoint 10.0.0.1 id=Slice/1 ready\n", `xdade9aa8d1c3cac3 {"host":"10.0.0.1","port":-1,"ttl":30}`},
		{"id that is a wildcard", "\tendpoint 10.0.0.1 id=any ready\n", `xb814edcc982cdd88 {"host":"10.0.0.1","port":-1,"ttl":30}`},
		{"two of one port name", "\tendpoint 10.0.0.1 id=a ready\n\t\tport http TCP 80\n\t\tport http TCP 81\n",
			`_tcp/_http/a {"host":"10.0.0.1","port":80,"ttl":30}
_tcp/_http/xa7a6af357065bb7d {"host":"10.0.0.1","port":81,"ttl":30} id=a`},
		{"not ready, and refused", "\tendpoint 10.0.0.1 id=a\n\tendpoint 127.0.0.1 id=b ready\n\tendpoint 10.0.0.3 id=c ready\n", `c {"host":"10.0.0.3","port":-1,"ttl":30}`},
		{"none ready", "\tendpoint 10.0.0.1 id=a\n", ""},
		{"all refused", "\tendpoint 127.0.0.1 id=a ready\n", `error: service "shop/web": endpoint "a": address "127.0.0.1" is loopback: cannot be held`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, encodeText(service(t, head+tt.in))); diff != "" {
				t.Errorf("encode (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEncodeRefuses has the services that cannot stand here at all.
func TestEncodeRefuses(t *testing.T) {
	const mark = "\tmark owner=prod of=x:1 key=s/w format=1\n"
	for _, tt := range []struct{ in, want string }{
		{"service a/b Headless\n", `service "a/b": no mark: cannot be held`},
		{"service a/b Headless\n\tmark owner=? of=x:1 key=s/w format=1\n", `service "a/b": owner "?": cannot be held`},
		{"service a/b Headless\n\tmark owner=p of=x:1 key=s/w format=2\n", `service "a/b": mark of format 2: cannot be held`},
		{"service a/b.c Headless\n" + mark, `service "a/b.c": label "b.c" holds more than letters, digits, "-_": cannot be held`},
		{"service a/_b Headless\n" + mark, `service "a/_b": label "_b" begins or ends with "-_": cannot be held`},
		{"service a/b ExternalName\n" + mark + "\talias 10.0.0.1\n", `service "a/b": alias "10.0.0.1" is no name: cannot be held`},
	} {
		if got := encodeText(service(t, tt.in)); got != "error: "+tt.want {
			t.Errorf("encode(%q) = %s, want error: %s", tt.in, got, tt.want)
		}
	}
}

func service(t testing.TB, text string) *catalog.Service {
	t.Helper()
	all, err := catalog.ParseText(text)
	if err != nil || len(all) != 1 {
		t.Fatalf("ParseText: %d services, %v", len(all), err)
	}
	return all[0]
}

func encodeText(s *catalog.Service) string {
	recs, err := encode(cluster, s, nil)
	if err != nil {
		return "error: " + err.Error()
	}
	var lines []string
	for _, r := range recs {
		value, _, _ := strings.Cut(r.marshal(), `,"isthmus"`)
		line := strings.TrimPrefix(r.key, cluster.base+"svc/shop/web/") + " " + value + "}"
		for _, f := range [][2]string{{"id", r.mark.ID}, {"hostname", r.mark.Hostname}, {"zone", r.mark.Zone}, {"app", r.mark.App}} {
			if f[1] != "" {
				line += " " + f[0] + "=" + f[1]
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestDrift holds that each change which a stranger makes to a mirror of ours
// shows, whether or not a Service has a field for it.
func TestDrift(t *testing.T) {
	s := service(t, "service shop/web Headless\n\tmark owner=prod of=x:1 key=s/w format=1\n\tendpoint 10.0.0.1 id=a ready\n\tendpoint 10.0.0.2 id=b ready\n")
	for _, tt := range []struct {
		name string
		edit func(values []string)
		want string
	}{
		{"untouched", func([]string) {}, ""},
		{"group", func(v []string) { v[0] = strings.Replace(v[0], `"ttl"`, `"group":"g","ttl"`, 1) }, "1"},
		{"ttl", func(v []string) { v[0] = strings.Replace(v[0], `"ttl":30`, `"ttl":31`, 1) }, "1"},
		{"another original", func(v []string) { v[1] = strings.Replace(v[1], "s/w", "s/x", 1) }, "1"},
		{"no host", func(v []string) { v[0] = strings.Replace(v[0], "10.0.0.1", "", 1) }, "1"},
	} {
		recs, err := encode(cluster, s, nil)
		if err != nil {
			t.Fatal(err)
		}
		values := make([]string, len(recs))
		for i, r := range recs {
			values[i] = r.marshal()
		}
		tt.edit(values)
		for i, r := range recs {
			recs[i] = item{key: r.key, value: []byte(values[i])}.record(cluster, "prod")
		}
		got, _ := decode(cluster, recs, "prod", nil)
		if len(got) != 1 || got[0].Meta[registry.MetaDrift] != tt.want {
			t.Errorf("%s: drift %q, want %q", tt.name, got[0].Meta[registry.MetaDrift], tt.want)
		}
	}
}
