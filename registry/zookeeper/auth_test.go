package zookeeper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// userFile is a file with a user and a password.
func userFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "user")
	rewrite(t, name, text)
	return name
}

func rewrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// lock has nobody but a user read a node.
func (r *tree) lock(t *testing.T, path, user, password string) {
	t.Helper()
	if _, err := r.raw.conn.SetACL(r.path+path, zk.DigestACL(zk.PermAll, user, password), -1); err != nil {
		t.Fatal(err)
	}
}

// TestUnreadable holds that nodes that may not be read are refused, that the origin is
// known in part while there are any, that what was known of one stands, and that all
// is well once they may be read, which no watch tells.
func TestUnreadable(t *testing.T) {
	r := newTree(t)
	r.words += "\ncompare 1s"
	r.put(t, "web/a "+at("10.0.0.1")+"\nweb/b "+at("10.0.0.2")+"\nhidden/a "+at("10.0.0.3"))
	r.lock(t, "/hidden", "other", "hunter2")
	w := watch(t, r.reader(t))
	s := w.Synced(t)
	if w.refusal(s, "hidden") == nil || s.State(w.Origin).Partial == nil {
		t.Errorf("hidden: refused %v, partial %v; want both", w.refusal(s, "hidden"), s.State(w.Origin).Partial)
	}
	if got := w.hosts(s, "web"); got != "10.0.0.1 10.0.0.2" {
		t.Errorf("web has %s beside a hidden node", got)
	}
	r.lock(t, "/web/b", "other", "hunter2")
	r.link.Cut()
	w.Until(t, "lose the connection", func(s *catalog.Snapshot) bool { return !s.State(w.Origin).Connected })
	r.link.Heal()
	s = w.Until(t, "refuse web/b", func(s *catalog.Snapshot) bool { return w.refusal(s, "web/b") != nil })
	if got := w.hosts(s, "web"); got != "10.0.0.1 10.0.0.2" {
		t.Errorf("web has %s since one of its nodes may not be read, want both", got)
	}
	if err := r.raw.conn.AddAuth("digest", []byte("other:hunter2")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/web/b", "/hidden"} {
		if _, err := r.raw.conn.SetACL(r.path+path, zk.WorldACL(zk.PermAll), -1); err != nil {
			t.Fatal(err)
		}
	}
	w.has(t, "hidden", "10.0.0.3")
	w.Until(t, "refuse none", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Refused == 0 })
	w.Until(t, "be whole", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Partial == nil })
	r.put(t, "web/b "+at("10.0.0.9"))
	w.has(t, "web", "10.0.0.1 10.0.0.9")
}

// TestWrongPassword holds that a user who may not read the path is told so, that no
// error holds the password, and that a right one is taken from the file without a
// restart. What was reported stands.
func TestWrongPassword(t *testing.T) {
	r := newTree(t)
	file := userFile(t, "reader:hunter2\n")
	r.words += "\nauth_file " + file
	r.put(t, "web/a "+at("10.0.0.1"))
	r.lock(t, "", "reader", "hunter2")
	w := watch(t, r.reader(t))
	w.Synced(t)
	w.stays(t, "web")
	rewrite(t, file, "reader:hunter3")
	r.link.Cut()
	w.Until(t, "lose the connection", func(s *catalog.Snapshot) bool { return !s.State(w.Origin).Connected })
	r.link.Heal()
	s := w.Until(t, "be refused", func(s *catalog.Snapshot) bool {
		err := s.State(w.Origin).Err
		return err != nil && strings.Contains(err.Error(), "list \""+r.path+"\": not allowed to user \"reader\" with this password")
	})
	if err := s.State(w.Origin).Err; strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v: it holds the password", err)
	}
	rewrite(t, file, "reader:hunter2")
	w.Until(t, "be let in", func(s *catalog.Snapshot) bool { return s.State(w.Origin).Connected })
}

// TestTLS holds that a server can be read by TLS, with a certificate where it wants
// one, and that one without the right authority is not trusted.
func TestTLS(t *testing.T) {
	authority, err := servers.NewAuthority("isthmus test")
	if err != nil {
		t.Fatal(err)
	}
	own := serverstest.ZooKeeper(t, servers.ZooKeeperOptions{TLS: authority, ClientCertificates: true})
	cert, key, err := authority.Issue("reader")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca": authority.PEM(), "cert": cert, "key": key} {
		rewrite(t, filepath.Join(dir, name), string(text))
	}
	r := newTreeOn(t, own.Address())
	r.put(t, "web/a "+at("10.0.0.1"))
	for words, ok := range map[string]bool{
		"ca_file DIR/ca\ncert_file DIR/cert\nkey_file DIR/key":                          true,
		"ca_file DIR/ca\ncert_file DIR/cert\nkey_file DIR/key\nserver_name example.org": false,
		"cert_file DIR/cert\nkey_file DIR/key":                                          false,
		"ca_file DIR/ca":                                                                false,
		"tls":                                                                           false,
	} {
		words = strings.ReplaceAll(words, "DIR", dir)
		c := registrytest.Parse(t, Type(), "zookeeper x "+own.SecureAddress()+" {\n"+r.words+"\n"+words+"\n}", nil).(*config)
		s, err := c.dial(t.Context())
		if (err == nil) != ok {
			t.Errorf("dial with %q = %v, want ok %v", words, err, ok)
		}
		if err != nil {
			continue
		}
		if data, _, err := s.get(t.Context(), r.path+"/web/a", false); string(data) != at("10.0.0.1") {
			t.Errorf("read by TLS: %q, %v", data, err)
		}
		s.close()
	}
	for server, words := range map[string]string{own.SecureAddress(): "", own.Address(): "tls"} {
		c := registrytest.Parse(t, Type(), "zookeeper x "+server+" {\n"+words+"\n}", nil).(*config)
		if _, err := c.dial(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS") {
			t.Errorf("dial with %q the port for the other: %v; want that TLS is named", words, err)
		}
	}
}

// TestNoUserNoWrite holds that a reader without a user writes nothing, and that one
// with a user writes an id that it alone can change.
func TestNoUserNoWrite(t *testing.T) {
	own := serverstest.ZooKeeper(t)
	r := newTreeOn(t, own.Address())
	plain := watch(t, r.reader(t))
	plain.Synced(t)
	if is, _, err := r.raw.conn.Exists(stateRoot); is || err != nil {
		t.Errorf("%q exists: %v, %v; want that a reader writes nothing", stateRoot, is, err)
	}
	if got := plain.identity(); got != identityOf(r.path, "") {
		t.Errorf("identity = %q without an id", got)
	}
	r.words += "\nauth_file " + userFile(t, "bridge:hunter2")
	user := watch(t, r.reader(t))
	user.Synced(t)
	id, _, err := r.raw.conn.Get(idPath)
	if err != nil {
		t.Fatal(err)
	}
	want := identityOf(r.path, string(id))
	plain.Until(t, "see the id", func(s *catalog.Snapshot) bool { return s.State(plain.Origin).Identity == want })
	if got := user.identity(); got != want {
		t.Errorf("identity = %q, want %q", got, want)
	}
	if _, err := r.raw.conn.Set(idPath, []byte("x"), -1); err != zk.ErrNoAuth {
		t.Errorf("another user writes the id: %v", err)
	}
	if err := r.raw.conn.Delete(idPath, -1); err != zk.ErrNoAuth {
		t.Errorf("another user deletes the id: %v", err)
	}
}

func (w *watched) identity() catalog.Identity { return w.Catalog.Snapshot().State(w.Origin).Identity }
