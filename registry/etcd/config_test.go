package etcd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func TestParse(t *testing.T) {
	env := map[string]string{"ETCDCTL_ENDPOINTS": "10.0.0.1:2379,10.0.0.2:2379", "ETCDCTL_CACERT": "/ca", "ETCDCTL_CERT": "/c", "ETCDCTL_KEY": "/k", "ETCDCTL_USER": "root:hunter2"}
	for _, tt := range []struct {
		name, in string
		env      map[string]string
		want     string
	}{
		{"defaults", "etcd edge", nil, "etcd edge http://127.0.0.1:2379 { zone cluster.local path skydns namespace etcd }"},
		{"block", "etcd edge http://a:2379/ https://b:2379 {\nzone Example.org.\npath /x/y/\nnamespace ns\nallow p q\ntrust r\nca_file /ca\n}", nil,
			"etcd edge http://a:2379 https://b:2379 { zone example.org path x/y namespace ns allow p q trust r ca_file /ca }"},
		{"reverse", "etcd edge {\nreverse\n}", nil, "etcd edge http://127.0.0.1:2379 { zone cluster.local path skydns namespace etcd reverse on }"},
		{"hosts", "etcd edge {\ndeny_cidr 10.96.0.0/16\nallow_names example.org\n}", nil,
			"etcd edge http://127.0.0.1:2379 { zone cluster.local path skydns namespace etcd deny_cidr=10.96.0.0/16 allow_names=example.org }"},
		{"compare", "etcd edge {\ncompare 90s\n}", nil, "etcd edge http://127.0.0.1:2379 { zone cluster.local path skydns namespace etcd compare 1m30s }"},
		{"reverse no more", "etcd edge {\nreverse off\n}", nil, "etcd edge http://127.0.0.1:2379 { zone cluster.local path skydns namespace etcd reverse off }"},
		{"environment", "etcd edge", env, "etcd edge https://10.0.0.1:2379 https://10.0.0.2:2379 { zone cluster.local path skydns namespace etcd ca_file /ca cert_file /c key_file /k }"},
		{"the file wins", "etcd edge http://a:1 {\nca_file /own\ncert_file /d\nkey_file /e\n}", env,
			"etcd edge http://a:1 { zone cluster.local path skydns namespace etcd ca_file /own cert_file /d key_file /e }"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := registrytest.Parse(t, Type(), tt.in, tt.env)
			if diff := cmp.Diff(tt.want, c.String()); diff != "" {
				t.Errorf("String (-want +got):\n%s", diff)
			}
			if shown := fmt.Sprintf("%v %+v %#v", c, c, *c.(*config)); strings.Contains(shown, "hunter2") {
				t.Errorf("a config shows the password: %s", shown)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"etcd", `conf:1: "etcd" wants more words: etcd NAME [URL...]`},
		{"etcd a/b", `conf:1: name "a/b" holds a "/"`},
		{"etcd e ftp://x", `conf:1: server "ftp://x": want http://HOST:PORT or https://HOST:PORT`},
		{"etcd e http://u:hunter2@x", `conf:1: server 1 of "etcd e" is no URL, or one that holds a password`},
		{"etcd e http://x/y", `conf:1: server "http://x/y": nothing may follow the port`},
		{"etcd e {\ncolour red\n}", `conf:2: unknown word "colour" in "etcd"`},
		{"etcd e {\nzone a\nzone b\n}", `conf:3: "zone" is said twice`},
		{"etcd e {\nreverse no\n}", `conf:2: reverse "no": want nothing or "off"`},
		{"etcd e {\ncompare often\n}", `conf:2: "often": want compare DURATION, of 1s at least`},
		{"etcd e {\nzone a b\n}", `conf:2: unexpected word "b": zone VALUE`},
		{"etcd e {\nzone a..b\n}", `conf:2: zone: host "a..b": empty label`},
		{"etcd e {\npath a//b\n}", `conf:2: path "a//b" has an empty part`},
		{"etcd e {\npath isthmus/x\n}", `conf:2: path "isthmus/x": "isthmus" is for the bridges' own state`},
		{"etcd e {\ndeny_cidr x\n}", `conf:2: deny_cidr: "x" is no network such as 10.96.0.0/16 or fd00:10:96::/112`},
		{"etcd e {\nnamespace A\n}", `conf:2: namespace: label "A" is not in lower case, so no query finds it`},
		{"etcd e {\nzone a {\n}\n}", `conf:2: "zone" takes no block`},
		{"etcd e {\ncert_file /x\n}", `conf:1: cert_file and key_file go together`},
	} {
		if _, err := registrytest.TryParse(Type(), tt.in, nil); err == nil || err.Error() != tt.want {
			t.Errorf("parse %q = %v, want %s", tt.in, err, tt.want)
		}
	}
}

func TestPolicy(t *testing.T) {
	c := registrytest.Parse(t, Type(), "etcd edge {\nallow shop\ntrust prod\n}", nil)
	want := catalog.OriginPolicy{Origin: "etcd/edge", Given: []string{"etcd", "shop"}, Trust: []string{"prod"}}
	if diff := cmp.Diff(want, c.Policy()); diff != "" {
		t.Errorf("Policy (-want +got):\n%s", diff)
	}
}

// TestFiles holds that files which cannot be read are errors when the registry
// is opened, and not before.
func TestFiles(t *testing.T) {
	user := filepath.Join(t.TempDir(), "user")
	for _, tt := range []struct{ in, content, want string }{
		{"user_file " + user, "", "no such file"},
		{"user_file " + user, "hunter2", "want user:password"},
		{"user_file " + user, "root:hunter2\n", ""},
		{"ca_file " + user, "hunter2", "holds no certificate"},
	} {
		if tt.content != "" {
			if err := os.WriteFile(user, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := registrytest.Parse(t, Type(), "etcd e {\n"+tt.in+"\n}", nil).Reader(nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("open with %q = %v, want %q", tt.content, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: it holds the secret", err)
		}
	}
}
