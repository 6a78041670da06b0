package zookeeper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

func TestParse(t *testing.T) {
	const defaults = "path /services format curator namespace zookeeper session_timeout 10s"
	for _, tt := range []struct{ name, in, want string }{
		{"defaults", "zookeeper zk", "zookeeper zk 127.0.0.1:2181 { " + defaults + " }"},
		{"servers", "zookeeper zk a:1 b [::1]:3 ::1 c:4,d", "zookeeper zk a:1 b:2181 [::1]:3 [::1]:2181 c:4 d:2181 { " + defaults + " }"},
		{"block", "zookeeper zk {\npath x/y/\nformat nerve\nnamespace ns\nallow p q\ntrust r\nsession_timeout 4s\n}",
			"zookeeper zk 127.0.0.1:2181 { path /x/y format nerve namespace ns session_timeout 4s allow p q trust r }"},
		{"hosts", "zookeeper zk {\ndeny_cidr 10.96.0.0/16\nallow_names example.org\ncompare 90s\n}",
			"zookeeper zk 127.0.0.1:2181 { " + defaults + " compare 1m30s deny_cidr=10.96.0.0/16 allow_names=example.org }"},
		{"rights", "zookeeper zk {\nauth_file /u\nacl private\n}", "zookeeper zk 127.0.0.1:2181 { " + defaults + " auth_file /u acl private }"},
		{"TLS", "zookeeper zk {\ntls\nserver_name zk.example.org\nca_file /ca\ncert_file /c\nkey_file /k\n}",
			"zookeeper zk 127.0.0.1:2181 { " + defaults + " server_name zk.example.org ca_file /ca cert_file /c key_file /k tls }"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, registrytest.Parse(t, Type(), tt.in, nil).String()); diff != "" {
				t.Errorf("String (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"zookeeper", `conf:1: "zookeeper" wants more words: zookeeper NAME [HOST:PORT...]`},
		{"zookeeper a/b", `conf:1: name "a/b" holds a "/"`},
		{"zookeeper z http://x", `conf:1: server "http://x": want HOST:PORT`},
		{"zookeeper z x:0", `conf:1: server "x:0": want HOST:PORT`},
		{"zookeeper z user:pw@x:1", `conf:1: server "user:pw@x:1": want HOST:PORT`},
		{"zookeeper z x:2181/prod", `conf:1: server "x:2181/prod": want HOST:PORT; what follows a slash belongs into path`},
		{"zookeeper z {\ncolour red\n}", `conf:2: unknown word "colour" in "zookeeper"`},
		{"zookeeper z {\npath a\npath b\n}", `conf:3: "path" is said twice`},
		{"zookeeper z {\npath a b\n}", `conf:2: unexpected word "b": path VALUE`},
		{"zookeeper z {\npath /\n}", `conf:2: path "/": want a node below that, such as /services`},
		{"zookeeper z {\npath a/../b\n}", `conf:2: path "a/../b" has a part ".."`},
		{"zookeeper z {\npath /isthmus/x\n}", `conf:2: path "/isthmus/x": "/isthmus" is for the bridges' own state`},
		{"zookeeper z {\npath /zookeeper\n}", `conf:2: path "/zookeeper": "/zookeeper" is for ZooKeeper's own state`},
		{"zookeeper z {\nformat dubbo\n}", `conf:2: format "dubbo": want one of curator, serverset, nerve`},
		{"zookeeper z {\nacl all\n}", `conf:2: acl "all": want one of world_read, private, world`},
		{"zookeeper z {\nacl private\n}", `conf:1: acl private wants auth_file: else nobody could read what is written`},
		{"zookeeper z {\nnamespace A\n}", `conf:2: namespace: "A" is no namespace: want letters in lower case, digits and dashes`},
		{"zookeeper z {\nsession_timeout 1ms\n}", `conf:2: "1ms": want session_timeout DURATION, of 1s at least`},
		{"zookeeper z {\ntls yes\n}", `conf:2: unexpected word "yes": tls`},
		{"zookeeper z {\npath a {\n}\n}", `conf:2: "path" takes no block`},
		{"zookeeper z {\ndeny_cidr x\n}", `conf:2: deny_cidr: "x" is no network such as 10.96.0.0/16 or fd00:10:96::/112`},
		{"zookeeper z {\ncert_file /x\n}", `conf:1: cert_file and key_file go together`},
	} {
		if _, err := registrytest.TryParse(Type(), tt.in, nil); err == nil || err.Error() != tt.want {
			t.Errorf("parse %q = %v, want %s", tt.in, err, tt.want)
		}
	}
}

func TestPolicy(t *testing.T) {
	c := registrytest.Parse(t, Type(), "zookeeper zk {\nallow shop\ntrust prod\n}", nil)
	want := catalog.OriginPolicy{Origin: "zookeeper/zk", Given: []string{"zookeeper", "shop"}, Trust: []string{"prod"}}
	if diff := cmp.Diff(want, c.Policy()); diff != "" {
		t.Errorf("Policy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(registry.Naming{Namespace: "zookeeper", Name: "{service}-{namespace}"}, c.Naming()); diff != "" {
		t.Errorf("Naming (-want +got):\n%s", diff)
	}
}

// TestFileGone holds that what is wrong with a file that went is said, and once by whom.
func TestFileGone(t *testing.T) {
	file := userFile(t, "root:hunter2")
	z, err := registrytest.Parse(t, Type(), "zookeeper z {\nauth_file "+file+"\nacl world\n}", nil).Writer("prod", discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	feed := catalog.New(catalog.Policy{}).Feed("zookeeper/z")
	for _, err := range []error{z.Watch(t.Context(), feed), z.Claim(t.Context(), registry.Fence{Owner: "prod"}, true)} {
		if text := err.Error(); !strings.HasPrefix(text, `zookeeper "z": auth_file: open `) {
			t.Errorf("without its file: %s", text)
		}
	}
}

// TestFiles holds that files which cannot be read are errors when the registry is
// opened, and that no error holds what stands in one.
func TestFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "user")
	for _, tt := range []struct{ in, content, want string }{
		{"auth_file " + file, "", "no such file"},
		{"auth_file " + file, "hunter2", "want user:password"},
		{"auth_file " + file, "hunter2:", "want user:password"},
		{"auth_file " + file, "a:hunter2\nb:hunter2", "want user:password"},
		{"auth_file " + file, "root:hunter2\n", ""},
		{"ca_file " + file, "hunter2", "holds no certificate"},
	} {
		if tt.content != "" {
			if err := os.WriteFile(file, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := registrytest.Parse(t, Type(), "zookeeper z {\n"+tt.in+"\n}", nil).Reader(nil)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("open with %q = %v, want %q", tt.content, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: it holds the secret", err)
		}
	}
}
