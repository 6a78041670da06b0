package mirror

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// text is p in the notation of the tables below.
func (p *Plan) text() string {
	var lines []string
	say := func(verb string, c Change) {
		line := verb + " " + c.Ref().Key.String()
		if c.Found != nil {
			line += " at " + c.Found.Version
		}
		lines = append(lines, line)
	}
	for _, c := range p.Puts {
		say("put", c)
	}
	for _, c := range p.Deletes {
		say("delete", c)
	}
	for _, c := range p.Held {
		say("hold", c)
	}
	for _, f := range p.Taken {
		lines = append(lines, "taken "+f.Target.String()+": "+f.Why)
	}
	for _, f := range p.Refused {
		lines = append(lines, "refused "+f.Original.String())
	}
	if p.Blocked != "" {
		lines = append(lines, "blocked: "+p.Blocked)
	}
	return strings.Join(lines, "\n")
}

const (
	native    = "service shop/web Headless version=7\n\tendpoint 10.9.0.1 id=n ready\n"
	ours      = "service shop/web Headless version=7\n\tmark owner=me of=id:kubernetes/src key=shop/web format=1\n\tendpoint 10.1.0.1 id=a ready serving\n"
	oursOld   = "service shop/web Headless version=7\n\tmark owner=me of=id:kubernetes/src key=shop/web format=1\n\tendpoint 10.1.0.9 id=z ready serving\n"
	oursOther = "service shop/web Headless version=7\n\tmark owner=me of=id:etcd/x key=shop/web format=1\n"
	oursNewer = "service shop/web Headless version=7\n\tmark owner=me of=id:kubernetes/src key=shop/web format=2\n"
	theirs    = "service shop/web Headless version=7\n\tmark owner=you of=id:kubernetes/src key=shop/web format=1\n"
	unknown   = "service shop/web Headless version=7\n\tmark owner=? \n"
	renamed   = "service shop/old Headless version=6\n\tmark owner=me of=id:kubernetes/src key=shop/web format=1\n\tendpoint 10.1.0.1 id=a ready serving\n"
)

// TestDiff is the table of Diff's comment, row by row.
func TestDiff(t *testing.T) {
	tests := []struct {
		name, source, found string
		canon               MirrorOf
		feed                func(*catalog.Catalog)
		want                string
	}{
		{name: "wanted, nothing there", source: plain, want: "put shop/web"},
		{name: "wanted, our mirror, same", source: plain, found: ours, want: ""},
		{name: "wanted, our mirror, differs", source: plain, found: oursOld, want: "put shop/web at 7"},
		{name: "wanted, native", source: plain, found: native, want: "taken shop/web: a native service has the name"},
		{name: "wanted, another owner's mirror", source: plain, found: theirs, want: `taken shop/web: owner "you"'s mirror of "shop/web" at "id:kubernetes/src" has the name`},
		{name: "wanted, a copy by another tool", source: plain, found: unknown, want: "taken shop/web: a copy by another tool has the name"},
		{name: "wanted, our mirror of another source", source: plain, found: oursOther, want: `taken shop/web: owner "me"'s mirror of "shop/web" at "id:etcd/x" has the name`},
		{name: "wanted, our mirror of a newer format", source: plain, found: oursNewer, want: `taken shop/web: a mirror of owner "me" in the newer format 2 has the name`},
		{name: "not wanted, nothing there", source: other},
		{name: "not wanted, our mirror", source: other, found: ours, want: "delete shop/web at 7"},
		{name: "not wanted, native", source: other, found: native},
		{name: "not wanted, another owner's mirror", source: other, found: theirs},
		{name: "not wanted, our mirror of another source", source: other, found: oursOther},
		{name: "not wanted, our mirror of a newer format", source: other, found: oursNewer},

		{name: "a native beside our mirror, same", source: plain, found: ours + native, want: "taken shop/web: a native service has the name"},
		{name: "a native beside our mirror, differs", source: plain, found: oursOld + native, want: "put shop/web at 7\ntaken shop/web: a native service has the name"},
		{name: "a native beside our mirror, not wanted", source: other, found: ours + native, want: "delete shop/web at 7"},

		{name: "refused: what is there stands", source: plain, found: oursOld, canon: refuse, want: "refused shop/web"},
		{name: "absence: what is there goes", source: plain, found: oursOld, canon: absent, want: "delete shop/web at 7"},
		{name: "renamed: the new name first", source: plain, found: renamed, want: "put shop/web\nhold shop/old at 6"},
		{name: "renamed: the new name is there", source: plain, found: renamed + ours, want: "delete shop/old at 6"},
		{name: "renamed: the new name is taken", source: plain, found: renamed + native, want: "hold shop/old at 6\ntaken shop/web: a native service has the name"},

		{name: "source never synced", found: ours, feed: func(c *catalog.Catalog) { c.Feed(src).Identify(id(src)) }, want: "hold shop/web at 7"},
		{name: "source never synced, but connected", found: ours, feed: func(c *catalog.Catalog) {
			c.Feed(src).Identify(id(src))
			c.Feed(src).Connected(nil)
		}, want: "hold shop/web at 7"},
		{name: "source not known", found: ours, feed: func(c *catalog.Catalog) { c.Feed(src) }, want: "blocked: kubernetes/src is not known yet"},
		{name: "source not connected", source: other, found: ours, feed: down(src), want: "hold shop/web at 7"},
		{name: "source read in part", source: other, found: ours, feed: func(c *catalog.Catalog) { c.Feed(src).Partial(errors.New("broken")) }, want: "hold shop/web at 7"},
		{name: "source read in part: puts go on", source: plain, found: oursOld, feed: func(c *catalog.Catalog) { c.Feed(src).Partial(errors.New("broken")) }, want: "put shop/web at 7"},
		{name: "source not connected: puts go on", source: plain, found: oursOld, feed: down(src), want: "put shop/web at 7"},
		{name: "target not connected", source: plain, found: renamed, feed: down(dst), want: "put shop/web\nhold shop/old at 6\nblocked: consul/dst is not connected: cut"},
		{name: "source is another", source: plain, feed: func(c *catalog.Catalog) { c.Feed(src).Identify("id:other") }, want: "put shop/web\nblocked: kubernetes/src is another registry than it was, and was not read since"},
		{name: "target is another", source: plain, found: renamed, feed: func(c *catalog.Catalog) { c.Feed(dst).Identify("id:other") }, want: "put shop/web\nhold shop/old at 6\nblocked: consul/dst is another registry than it was, and was not read since"},
		{name: "source is another and was read", source: plain, feed: func(c *catalog.Catalog) { c.Feed(src).Identify("id:other"); c.Feed(src).Replace(nil) }},
		{name: "the same registry twice", source: plain, feed: func(c *catalog.Catalog) { c.Feed(dst).Identify(id(src)) }, want: "put shop/web\nblocked: kubernetes/src and consul/dst are the same registry"},
		{name: "another registry under the source's name", source: plain, found: oursOld + renamed, feed: func(c *catalog.Catalog) { c.Feed(src).Identify("new"); c.Feed(src).Replace(parse(t, plain)) }, want: `taken shop/web: owner "me"'s mirror of "shop/web" at "id:kubernetes/src" has the name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			holds := map[catalog.Origin]string{dst: tt.found}
			if tt.source != "" {
				holds[src] = tt.source
			}
			c := sides(t, holds)
			if tt.feed != nil {
				tt.feed(c)
			}
			canon := tt.canon
			if canon == nil {
				canon = asIs
			}
			s, r := c.Snapshot(), rule()
			p := Diff(s, Desired(s, r, MirrorsOf(s, r, canon)), nil, Budget{})
			if diff := cmp.Diff(tt.want, withoutOther(p.text())); diff != "" {
				t.Errorf("Diff: -want +got\n%s", diff)
			}
		})
	}
}

// other keeps a source from falling to nothing; its own put is left out.
const other = "service zzz/other Headless\n"

func withoutOther(text string) string {
	lines := slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return l == "put zzz/other" })
	return strings.Join(lines, "\n")
}

func refuse(*catalog.Service) (*catalog.Service, error) { return nil, errors.New("no") }
func absent(*catalog.Service) (*catalog.Service, error) { return nil, nil }

func down(o catalog.Origin) func(*catalog.Catalog) {
	return func(c *catalog.Catalog) { c.Feed(o).Connected(errors.New("cut")) }
}

// TestDiffTargetUnknown holds that nothing is planned before the target spoke.
func TestDiffTargetUnknown(t *testing.T) {
	c := sides(t, map[catalog.Origin]string{src: plain})
	s, r := c.Snapshot(), rule()
	p := Diff(s, wanted(s, r), nil, Budget{})
	if got, want := p.text(), "blocked: consul/dst is not synced yet"; got != want {
		t.Errorf("Diff = %q, want %q", got, want)
	}
}

// TestDiffOthers holds who gets a name where nothing stands yet.
func TestDiffOthers(t *testing.T) {
	const second = catalog.Origin("zookeeper/second")
	c := sides(t, map[catalog.Origin]string{src: plain, second: plain, dst: ""})
	s, first, last := c.Snapshot(), rule(), rule()
	last.From = second
	for _, tt := range []struct {
		rule, other *Rule
		want        string
	}{
		{first, last, "put shop/web"},
		{last, first, `taken shop/web: the name goes to kubernetes/src "shop/web"`},
	} {
		others := []Other{{tt.other, func() *Wanted { return wanted(s, tt.other) }}}
		if got := Diff(s, wanted(s, tt.rule), others, Budget{}).text(); got != tt.want {
			t.Errorf("%s: Diff = %q, want %q", tt.rule, got, tt.want)
		}
	}
}

// TestDiffTwins holds that two origins which may be one registry never delete
// each other's mirrors.
func TestDiffTwins(t *testing.T) {
	const twin, stranger = catalog.Origin("kubernetes/twin"), catalog.Origin("etcd/twin")
	const one = "delete shop/web at 7"
	tests := []struct {
		name  string
		other catalog.Origin
		is    catalog.Identity // the other's
		from  catalog.Origin   // of the rule
		want  string
	}{
		{name: "another registry", other: twin, is: "another", from: src, want: one},
		{name: "the same, the lesser", other: twin, is: id(src), from: src, want: "hold shop/web at 7\nblocked: kubernetes/src and kubernetes/twin are the same registry: mirror it to consul/dst by one rule, or by two bridges with owners of their own"},
		{name: "the same, the greater", other: src, is: id(src), from: twin, want: "hold shop/web at 7\nblocked: kubernetes/src and kubernetes/twin are the same registry: mirror it to consul/dst by one rule, or by two bridges with owners of their own"},
		{name: "not known yet", other: twin, from: src, want: "hold shop/web at 7"},
		{name: "not known yet, of another type", other: stranger, from: src, want: one},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{dst: ours})
			c.Feed(tt.other).Identify(tt.is)
			c.Feed(tt.from).Identify(id(src))
			c.Feed(tt.from).Replace(parse(t, other))
			s, r, other := c.Snapshot(), rule(), rule()
			r.From, other.From = tt.from, tt.other
			p := Diff(s, wanted(s, r), []Other{{other, func() *Wanted { return wanted(s, other) }}}, Budget{})
			if diff := cmp.Diff(tt.want, withoutOther(p.text())); diff != "" {
				t.Errorf("Diff: -want +got\n%s", diff)
			}
		})
	}
}

// TestDiffBudget holds what may go at once.
func TestDiffBudget(t *testing.T) {
	tests := []struct {
		name       string
		there      int // mirrors, of two instances each
		gone       int // of these, no longer wanted
		emptied    int // of these, wanted without instances
		native     bool
		limit      Limit
		budget     Budget
		held, puts int
		deletes    int
		fell       bool
	}{
		{name: "few go", there: 12, gone: 10, native: true, limit: DefaultLimit(), deletes: 10},
		{name: "many go", there: 12, gone: 11, native: true, limit: DefaultLimit(), held: 11},
		{name: "many of very many go", there: 100, gone: 20, native: true, limit: DefaultLimit(), deletes: 20},
		{name: "too many of very many", there: 100, gone: 21, native: true, limit: DefaultLimit(), held: 21},
		{name: "left without instances counts", there: 12, gone: 5, emptied: 6, native: true, limit: DefaultLimit(), held: 11},
		{name: "left without instances within", there: 12, gone: 5, emptied: 5, native: true, limit: DefaultLimit(), deletes: 5, puts: 5},
		{name: "what was spent counts", there: 12, gone: 5, native: true, limit: DefaultLimit(), budget: Budget{Spent: Loss{6, 12}}, held: 5},
		{name: "what was let go does not", there: 12, gone: 11, native: true, limit: DefaultLimit(), budget: released(11), deletes: 11},
		{name: "what was let go goes alone", there: 24, gone: 22, native: true, limit: DefaultLimit(), budget: released(5), held: 17, deletes: 5},
		{name: "fell to nothing", there: 12, gone: 12, limit: DefaultLimit(), held: 12, fell: true},
		{name: "few fell to nothing", there: 3, gone: 3, limit: DefaultLimit(), deletes: 3},
		{name: "a limit of its own", there: 12, gone: 1, native: true, limit: Limit{}, held: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var from, to strings.Builder
			for i := range tt.there {
				fmt.Fprintf(&to, "service n/s%02d Headless\n\tmark owner=me of=id:kubernetes/src key=n/s%02d format=1\n\tendpoint 10.0.0.1 id=a\n\tendpoint 10.0.0.2 id=b\n", i, i)
				switch {
				case i < tt.gone:
				case i < tt.gone+tt.emptied:
					fmt.Fprintf(&from, "service n/s%02d Headless\n", i)
				default:
					fmt.Fprintf(&from, "service n/s%02d Headless\n\tendpoint 10.0.0.1 id=a\n\tendpoint 10.0.0.2 id=b\n", i)
				}
			}
			if tt.native {
				from.WriteString("service kube-system/x Headless\n")
			}
			c := sides(t, map[catalog.Origin]string{src: from.String(), dst: to.String()})
			s, r := c.Snapshot(), rule()
			r.Limit, r.Namespaces = tt.limit, nil
			p := Diff(s, wanted(s, r), nil, tt.budget)
			got := []any{len(p.Held), len(p.Puts), len(p.Deletes), p.Fell, p.Budget != ""}
			want := []any{tt.held, tt.puts, tt.deletes, tt.fell, tt.held > 0}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("held, puts, deletes, fell, budget: -want +got\n%s", diff)
			}
		})
	}
}

func released(n int) Budget {
	b := Budget{Released: map[catalog.Ref]bool{}}
	for i := range n {
		b.Released[catalog.Ref{Key: catalog.Key{Namespace: "n", Name: fmt.Sprintf("s%02d", i)}, Owner: "me"}] = true
	}
	return b
}

func TestDiffers(t *testing.T) {
	for _, tt := range []struct{ found, want, say string }{
		{ours, oursOld, "instances +1 -1 ~0"},
		{ours, strings.ReplaceAll(ours, " serving", ""), "instances +0 -0 ~1"},
		{ours, strings.Replace(ours, "version=7", "ttl=5s", 1), "ttl 0s to 5s"},
		{ours, ours + "\tmeta a=b\n\tport http TCP 80\n", "ports, meta"},
	} {
		if got := differs(parse(t, tt.found)[0], parse(t, tt.want)[0]); got != tt.say {
			t.Errorf("differs = %q, want %q", got, tt.say)
		}
	}
}
