package zookeeper

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/registrytest"
)

// known is a table of its own with the feed that it reports to.
type known struct {
	*table
	catalog *catalog.Catalog
	feed    *catalog.Feed
	zxid    int64
}

func newKnown() *known {
	c := catalog.New(catalog.Policy{})
	return &known{table: newTable(newLayout("/services", curator, "zookeeper"), discard()), catalog: c, feed: c.Feed("zookeeper/x")}
}

func (k *known) begin(id string) {
	k.turn()
	k.table.begin(id)
}

// list has a node's children be names now, and returns what has to be asked then.
func (k *known) list(path string, names ...string) []question {
	k.zxid++
	all := k.setList(path, names, &zk.Stat{Pzxid: k.zxid})
	slices.SortFunc(all, func(a, b question) int { return len(a.path) - len(b.path) })
	return all
}

// hold has a node hold data that was written now, and reports whether it is to be listed.
func (k *known) hold(path, data string) bool {
	k.zxid++
	return k.set(k.read(path, []byte(data), &zk.Stat{Czxid: k.zxid, Mzxid: k.zxid}))
}

func (k *known) hosts(name string) string {
	w := watched{Followed: k.followed()}
	return w.hosts(k.catalog.Snapshot(), name)
}

// followed is the feed's catalog as of a registry that is followed.
func (k *known) followed() *registrytest.Followed {
	return &registrytest.Followed{Catalog: k.catalog, Origin: "zookeeper/x"}
}

// tell reports all that is due when nothing but busy is being asked.
func (k *known) tell(busy ...string) {
	k.flush(time.Now().Add(settle), func(name string) bool { return slices.Contains(busy, name) })
}

// isWhole reports whether the feed is told that it was told of all, so long after now.
func (k *known) isWhole(later time.Duration) bool {
	k.whole(time.Now().Add(later))
	return k.catalog.Snapshot().State("zookeeper/x").Partial == nil
}

// TestFlushAtOnce holds that a native is reported as soon as nothing of it is asked, and
// that of a mirror all that was written with it has a moment to be read.
func TestFlushAtOnce(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web", "app")
	k.replace(k.feed)
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.list("/services/app", "isthmus-b-0123456789ab", "a")
	k.hold("/services/app/isthmus-b-0123456789ab", at("10.0.0.2"))
	k.hold("/services/app/a", at("10.0.0.3"))
	now := time.Now()
	if left := k.flush(now, func(string) bool { return false }); !left || k.hosts("web") != "10.0.0.1" || k.hosts("app") != "none" {
		t.Errorf("at once: left %v, web %s, app %s; want the native alone", left, k.hosts("web"), k.hosts("app"))
	}
	if left := k.flush(now.Add(settle), func(string) bool { return false }); left || k.hosts("app") != "10.0.0.3" {
		t.Errorf("a moment later: left %v, app %s", left, k.hosts("app"))
	}
}

// TestFlush holds that a service is not reported while something of it is being asked,
// but for one of which that is so for long.
func TestFlush(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web", "db")
	k.replace(k.feed)
	k.list("/services/web", "a", "b")
	k.list("/services/db", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.hold("/services/db/a", at("10.0.0.2"))
	k.tell("web")
	if got := k.hosts("web") + ", " + k.hosts("db"); got != "none, 10.0.0.2" {
		t.Errorf("while web is read: %s", got)
	}
	k.hold("/services/web/b", at("10.0.0.3"))
	k.tell()
	if got := k.hosts("web"); got != "10.0.0.1 10.0.0.3" {
		t.Errorf("once it is read: %s", got)
	}
	k.hold("/services/web/b", at("10.0.0.4"))
	k.flush(time.Now().Add(longSettle), func(string) bool { return true })
	if got := k.hosts("web"); got != "10.0.0.1 10.0.0.4" {
		t.Errorf("while it is read all the time: %s", got)
	}
}

// TestSecondRound holds that a Watch after another takes nothing away before it has
// read everything, asks for all of it, and then takes away what it did not find.
func TestSecondRound(t *testing.T) {
	k := newKnown()
	k.begin("abc")
	k.list("/services", "web", "old")
	k.list("/services/web", "a")
	k.list("/services/old", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.hold("/services/old/a", at("10.0.0.2"))
	k.replace(k.feed)
	k.detach()
	k.begin("abc")
	if n := len(k.list("/services", "web")); n != 1 {
		t.Errorf("%d questions follow from the first list, want 1", n)
	}
	if !k.hold("/services/web", "") {
		t.Error("what is below web is not listed again")
	}
	if n := len(k.list("/services/web", "a")); n != 1 {
		t.Errorf("%d questions follow from the second list, want 1", n)
	}
	if got := k.hosts("old"); got != "10.0.0.2" {
		t.Errorf("before all is read: old has %s", got)
	}
	k.hold("/services/web/a", at("10.0.0.3"))
	k.replace(k.feed)
	if got := k.hosts("web") + ", " + k.hosts("old"); got != "10.0.0.3, none" {
		t.Errorf("once all is read: %s", got)
	}
}

// TestLongNames holds that of a node with a path that is too long for a service little is
// known, that it is refused and not asked for, and told from others that begin alike.
func TestLongNames(t *testing.T) {
	k := newKnown()
	k.begin("a")
	k.list("/services", "web")
	k.hold("/services/web", "")
	long := strings.Repeat("a", 1<<20)
	for range 2 { // what is listed again is the same
		if asked := k.list("/services/web", long, long+"b", strings.Repeat("c", maxPath-len("/services/web/"))); len(asked) > 1 || len(k.nodes["/services/web"].below) != 3 {
			t.Errorf("%d are asked for, of %d", len(asked), len(k.nodes["/services/web"].below))
		}
	}
	if most := 4 * 3 * maxPath; k.heft > most {
		t.Errorf("%d bytes are kept, want %d at most", k.heft, most)
	}
	k.replace(k.feed)
	if n := k.catalog.Snapshot().State("zookeeper/x").Refused; n != 2 {
		t.Errorf("%d nodes are refused, want 2", n)
	}
	k.list("/services/web")
	k.list("/services")
	if k.heft != 0 {
		t.Errorf("%d bytes are kept of no node", k.heft)
	}
}

// TestToldBefore holds that what was told before a server answered counts before the
// answer, though both are there at once: of a node that was removed and made anew, between
// a change of the list above it and that list, nothing is told any more.
func TestToldBefore(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	k.replace(k.feed)
	s := new(session)
	w := newWalk(s, k.table, k.feed)
	list, hold := question{"/services/web", true}, question{"/services/web/a", false}
	w.add(list, false)
	w.next()
	s.keep(change{zk.EventNodeDeleted, hold.path})
	if err := w.take(answer{question: list, names: []string{"a"}, stat: &zk.Stat{Pzxid: k.zxid + 2}}); err != nil {
		t.Fatal(err)
	}
	if _, asked := w.open[hold]; !asked {
		t.Error("a node that was made anew is not read")
	}
}

// TestLongestNames holds that a node with the longest path that is read is asked for by
// that: at another there is none, so that it would be found and asked for without end.
func TestLongestNames(t *testing.T) {
	k := newKnown()
	k.begin("a")
	longest := strings.Repeat("a", maxPath-len("/services/"))
	want := []question{{"/services/" + longest, false}}
	if asked := k.list("/services", longest, longest+"a"); !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
}

// TestFull holds that what is kept is bounded, be it many nodes or large ones, and that
// there is room again afterwards.
func TestFull(t *testing.T) {
	k := newKnown()
	names := make([]string, maxHeft/1800)
	for i := range names {
		names[i] = strings.Repeat("a", 900) + strconv.Itoa(i)
	}
	k.begin("a")
	k.list("/services", names...)
	if err := k.full(); !errors.Is(err, errTooMuch) {
		t.Errorf("%d nodes: %v", len(names), err)
	}
	k.begin("a")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "a")
	before := k.heft
	k.hold("/services/web/a", `{"address":"10.0.0.1","payload":"`+strings.Repeat("a", maxInstance-100)+`"}`)
	if err := k.full(); err != nil || k.heft < before+maxInstance-100 {
		t.Errorf("a large instance: %v; it counts %d bytes", err, k.heft-before)
	}
	k.list("/services/web")
	if k.heft >= before {
		t.Errorf("%d bytes are kept of an instance that is gone", k.heft-before)
	}
}

// TestOtherEnsemble holds that nothing of one ensemble is left when another is read.
func TestOtherEnsemble(t *testing.T) {
	k := newKnown()
	k.begin("abc")
	k.list("/services", "web")
	k.deny("/services/web", zk.ErrNoAuth)
	k.replace(k.feed)
	if k.catalog.Snapshot().State("zookeeper/x").Partial == nil {
		t.Error("a node may not be read, and the origin is not known in part")
	}
	k.begin("def")
	k.list("/services")
	k.replace(k.feed)
	if st := k.catalog.Snapshot().State("zookeeper/x"); st.Partial != nil || st.Refused != 0 {
		t.Errorf("of another ensemble: %d refused, partial %v", st.Refused, st.Partial)
	}
}

// TestExpired holds that a node that was gone is asked for again if it is listed, and
// what is below another in its place is listed again.
func TestExpired(t *testing.T) {
	k := newKnown()
	k.begin("")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "a")
	k.hold("/services/web/a", at("10.0.0.1"))
	if n := len(k.list("/services", "web")); n != 0 {
		t.Errorf("%d questions about what is known", n)
	}
	k.expire("/services/web")
	if n := len(k.list("/services", "web")); n != 1 {
		t.Errorf("%d questions about what was gone, want 1", n)
	}
	if !k.hold("/services/web", "") {
		t.Error("what is below another node is taken to be known")
	}
}

// TestMirrors holds that side nodes are found at the service that they are of, and
// that a bad one is refused.
func TestMirrors(t *testing.T) {
	k := newKnown()
	k.begin("")
	sides := k.layout.sides()
	if all := k.list(sides, "prod"); len(all) != 1 || all[0] != (question{sides + "/prod", true}) {
		t.Errorf("asked because of an owner: %v", all)
	}
	if all := k.list(sides+"/prod", "fence", "mirrors"); len(all) != 1 || all[0] != (question{sides + "/prod/mirrors", true}) {
		t.Errorf("asked because of what an owner has: %v", all)
	}
	if all := k.list(sides+"/prod/mirrors", "web"); len(all) != 1 || all[0] != (question{sides + "/prod/mirrors/web", false}) {
		t.Errorf("asked because of a mirror: %v", all)
	}
	if k.hold(sides+"/prod/mirrors/web", "oops") {
		t.Error("what is below a side node is to be listed")
	}
	k.replace(k.feed)
	snap := k.catalog.Snapshot()
	if snap.Get("zookeeper/x", catalog.Ref{Key: catalog.Key{Namespace: "zookeeper", Name: "web"}, Owner: "prod"}) != nil {
		t.Error("a mirror whose side node is bad is told, and nobody knows what it is of")
	}
	if n := snap.State("zookeeper/x").Refused; n != 1 {
		t.Errorf("%d refused, want 1", n)
	}
}

// TestRestored holds that a Watch takes over what it reads, though what was known is
// newer, as of a server that was restored from a backup.
func TestRestored(t *testing.T) {
	k := newKnown()
	k.zxid = 100
	k.begin("abc")
	k.list("/services", "web")
	k.hold("/services/web", "")
	k.list("/services/web", "a", "b", "c")
	for _, id := range []string{"a", "b", "c"} {
		k.hold("/services/web/"+id, at("10.0.0.1"))
	}
	k.replace(k.feed)
	k.wrote([]op{{do: remove, path: "/services/web/c"}}, nil, k.zxid+1, 0)
	k.zxid = 10
	k.begin("abc")
	k.list("/services", "web")
	k.hold("/services/web", "")
	if n := len(k.list("/services/web", "a", "c")); n != 2 {
		t.Errorf("%d questions follow from the list, want 2", n)
	}
	k.hold("/services/web/a", at("10.0.0.2"))
	k.hold("/services/web/c", at("10.0.0.3"))
	k.replace(k.feed)
	if got := k.hosts("web"); got != "10.0.0.2 10.0.0.3" {
		t.Errorf("web has %s, want what the backup had", got)
	}
}
