package zookeeper

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// TestDeny holds that what was known of a node that may not be read any more stands,
// and what is below it, over the next Watch, too.
func TestDeny(t *testing.T) {
	k := newKnown()
	for range 2 {
		k.begin("")
		k.list("/services", "web")
		if k.hosts("web") == "none" {
			k.list("/services/web", "a")
			k.hold("/services/web/a", at("10.0.0.1"))
		}
		k.deny("/services/web", zk.ErrNoAuth)
		k.replace(k.feed)
		if got := k.hosts("web"); got != "10.0.0.1" {
			t.Errorf("web has %s, want what was known", got)
		}
	}
	w := watched{zookeeper: &zookeeper{layout: k.layout}, Followed: k.followed()}
	if err := w.refusal(k.catalog.Snapshot(), "web"); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("web is refused with %v", err)
	}
	k.drop("/services/web")
	k.tell()
	k.flush(time.Now().Add(settle+lull), func(string) bool { return false })
	k.isWhole(0)
	if st := k.catalog.Snapshot().State("zookeeper/x"); !k.isWhole(longSettle) || st.Refused != 0 || st.Services != 0 {
		t.Errorf("once it is gone: %+v", st)
	}
}

// TestAllowed holds that what is below a node is read again once that may be listed:
// nothing was watched there since the Watch began.
func TestAllowed(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "a", "b")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.hold("/services/web/b", "")
	k.list("/services/web/b", "c")
	k.hold("/services/web/b/c", at("10.0.0.2"))
	k.replace(k.feed)
	k.begin("")
	k.list("/services", "web")
	k.deny("/services/web", zk.ErrNoAuth)
	k.replace(k.feed)
	if got := k.hosts("web") + ", " + k.hosts("web-b"); got != "10.0.0.1, 10.0.0.2" {
		t.Errorf("while web may not be read: %s", got)
	}
	if !k.hold("/services/web", "") {
		t.Error("web is not listed once it may be")
	}
	if n := len(k.list("/services/web", "a", "b")); n != 2 {
		t.Errorf("%d questions follow from the list of web, want 2", n)
	}
	if !k.hold("/services/web/b", "") {
		t.Error("b is not listed once web may be")
	}
	if n := len(k.list("/services/web/b", "c")); n != 1 {
		t.Errorf("%d questions follow from the list of b, want 1", n)
	}
}

// TestAllowedBad holds that a record which was refused before its node could not be
// read is refused again once that can be, though it is as it was.
func TestAllowedBad(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "bad")
	bad, stat := []byte(`{"address":"127.0.0.1"}`), &zk.Stat{Czxid: 7, Mzxid: 7}
	k.set(k.read("/services/web/bad", bad, stat))
	k.replace(k.feed)
	k.deny("/services/web/bad", zk.ErrNoAuth)
	k.tell()
	k.set(k.read("/services/web/bad", bad, stat))
	k.tell()
	if st := k.catalog.Snapshot().State("zookeeper/x"); st.Refused != 1 {
		t.Errorf("%d refused, want the record alone", st.Refused)
	}
}

// TestWhole holds that an origin is known in part until what may be read again was read
// and told: else a bridge would take it to be gone.
func TestWhole(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web")
	k.deny("/services/web", zk.ErrNoAuth)
	k.replace(k.feed)
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"it may not be read", func() {}},
		{"it is not listed", func() { k.hold("/services/web", "") }},
		{"what is below it is not read", func() { k.list("/services/web", "a", strings.Repeat("b", maxPath)) }},
		{"what is below that is not listed", func() { k.hold("/services/web/a", "") }},
		{"it is another one", func() { k.list("/services/web/a"); k.expire("/services/web/a") }},
	} {
		step.do()
		k.tell()
		if k.isWhole(0) || k.isWhole(time.Minute) {
			t.Errorf("whole, though %s", step.name)
		}
	}
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	if k.isWhole(0) || k.isWhole(longSettle-time.Millisecond) {
		t.Error("whole before it was told for certain")
	}
	k.list("/services/web", "a", "c") // it changes all the time
	if !k.isWhole(longSettle + time.Second) {
		t.Error("not whole a while after all was read")
	}
}

// TestCrowdHolds holds that a node with too many below it may be changed, and what is
// below it still is not known.
func TestCrowdHolds(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.deny("/services/web", errCrowd)
	k.replace(k.feed)
	k.hold("/services/web", "text")
	k.tell()
	if st := k.catalog.Snapshot().State("zookeeper/x"); st.Refused != 1 || k.isWhole(time.Minute) {
		t.Errorf("%d refused, partial %v; want the node to be", st.Refused, st.Partial)
	}
	k.hold("/services/web", at("10.0.0.1"))
	k.tell()
	k.isWhole(0)
	if st := k.catalog.Snapshot().State("zookeeper/x"); st.Refused != 0 || !k.isWhole(time.Minute) {
		t.Errorf("%d refused, partial %v; want none since it is an instance", st.Refused, st.Partial)
	}
}
