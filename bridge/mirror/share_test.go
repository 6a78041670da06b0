package mirror

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

const (
	lonely      = "service shop/web Headless version=7\n\tendpoint 10.9.0.1 id=lonely ready\n"
	nativeAlias = "service shop/web ExternalName version=7\n\talias db.example.org\n"
	theirAlias  = "service shop/web ExternalName version=7\n\talias db.example.org\n\tmark owner=you of=id:kubernetes/src key=shop/web format=1\n"
	aliasThere  = "service shop/web ExternalName\n\talias web.example.org\n"
)

func sharing(r *Rule) { r.Share = true }

// TestShare holds who has a name where the rule shares names: the rows of
// inTheWay and, beside somebody else, those of Diff.
func TestShare(t *testing.T) {
	tests := []struct {
		name, source, found string
		rule                func(*Rule)
		want                string
	}{
		{"nothing there", plain, "", sharing, "put shop/web"},
		{"a native", plain, native, sharing, "put shop/web"},
		{"another owner's mirror", plain, theirs, sharing, "put shop/web"},
		{"a copy by another tool", plain, unknown, sharing, "put shop/web"},
		{"a native and another owner's", plain, theirs + native, sharing, "put shop/web"},
		{"our mirror beside a native, same", plain, ours + native, sharing, ""},
		{"our mirror beside a native, differs", plain, oursOld + native, sharing, "put shop/web at 7"},
		{"our mirror beside a native, not wanted", other, ours + native, sharing, "delete shop/web at 7"},
		{"our mirror of another source", plain, oursOther + native, sharing, `taken shop/web: owner "me"'s mirror of "shop/web" at "id:etcd/x" has the name`},
		{"a native that the target holds alone", plain, lonely, sharing, "taken shop/web: a native service has the name; it is not shared: it is lonely"},
		{"one of two that it holds alone", plain, lonely + theirs, sharing, "taken shop/web: a native service has the name; it is not shared: it is lonely"},
		{"the second of two that is alone", plain, native + theirAlias, sharing, `taken shop/web: owner "you"'s mirror of "shop/web" at "id:kubernetes/src" has the name; it is not shared: an alias stands alone`},
		{"an alias there", plain, nativeAlias, sharing, "taken shop/web: a native service has the name; it is not shared: an alias stands alone"},
		{"an alias of ours", aliasThere, native, sharing, "taken shop/web: a native service has the name; it is not shared: an alias stands alone"},
		{"our mirror beside one that came to be alone", plain, ours + lonely, sharing, "taken shop/web: a native service has the name; it is not shared: it is lonely"},
		{"shared for this one", plain, native, blocks("web", sharing), "put shop/web"},
		{"shared for another", plain, native, blocks("db", sharing), "taken shop/web: a native service has the name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: tt.found})
			r := rule()
			tt.rule(r)
			p := Plans(c.Snapshot(), []*Rule{r}, func(catalog.Origin) Place { return place(asIs) }, nil)[0]
			if diff := cmp.Diff(tt.want, withoutOther(p.text())); diff != "" {
				t.Errorf("plan: -want +got\n%s", diff)
			}
		})
	}
}

// blocks gives a rule a block for originals of one name.
func blocks(name string, otherwise func(*Rule)) func(*Rule) {
	return func(r *Rule) {
		own := *r
		otherwise(&own)
		r.Blocks = append(r.Blocks, Block{Names: []string{name}, Rule: &own})
	}
}

// TestShareTwoBridges holds that two bridges and a native under one name come
// to rest, each with its own, and that what goes is the one's alone.
func TestShareTwoBridges(t *testing.T) {
	at := newStore(t, dst, native)
	was := strings.Join(texts(at.holds(t)), "")
	var bridges []*Rule
	var sources []*store
	for i, owner := range []string{"me", "you"} {
		r := rule()
		r.Owner, r.Share, r.From = owner, true, catalog.Origin("kubernetes/"+owner)
		bridges = append(bridges, r)
		sources = append(sources, newStore(t, r.From, strings.ReplaceAll(plain, "10.1.0.1", []string{"10.1.0.1", "10.2.0.1"}[i])))
	}
	apply := func(i, want int) {
		t.Helper()
		c, target, stop := watched(t, bridges[i], sources[i], at)
		defer stop()
		p := planned(c, bridges[i])
		if len(p.Taken) > 0 {
			t.Errorf("%s: taken: %v", bridges[i].Owner, p.Taken)
		}
		for _, o := range target.apply(t.Context(), p.Puts, p.Deletes, 10) {
			if o.Err != nil {
				t.Errorf("%s: %v", bridges[i].Owner, o.Err)
			}
		}
		if got := len(p.Puts) + len(p.Deletes); got != want {
			t.Errorf("%s: %d writes, want %d:\n%s", bridges[i].Owner, got, want, p.text())
		}
	}
	for _, round := range []int{1, 0, 0} {
		apply(0, round)
		apply(1, round)
	}
	if n := len(at.holds(t)); n != 3 {
		t.Errorf("%d stand there, want 3", n)
	}
	for i := range sources {
		sources[i].remove(catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}})
		sources[i].set(parse(t, "service kube-system/x Headless")...)
		bridges[i].Namespaces = nil
		apply(i, 1)
		apply(1-i, 0)
	}
	if got := strings.Join(texts(at.holds(t)), ""); got != was {
		t.Errorf("left:\n%swant\n%s", got, was)
	}
}

func texts(all []*catalog.Service) (lines []string) {
	for _, s := range all {
		lines = append(lines, s.Text())
	}
	return lines
}
