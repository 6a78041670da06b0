package mirror

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/registry"
)

// shownAs is what a store holds: keys with what each is a copy of, if anything.
func (st *store) shownAs(t *testing.T) string {
	var all []string
	for _, s := range st.holds(t) {
		line := s.Key.String()
		if s.Mark != nil {
			line += " of " + s.Mark.Key.String()
		}
		for _, e := range s.Endpoints {
			line += " " + e.Host.String()
		}
		if s.Alias != "" {
			line += " " + s.Alias
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// TestLoopRuleChanges holds that a bridge which starts with another rule over what
// an earlier one wrote ends with what the new one wants, and touches nothing else.
func TestLoopRuleChanges(t *testing.T) {
	const natives = "service a/foo Headless\nservice b/foo Headless\nservice b/bar Headless\n"
	naming := func(namespace, name string) func(*Rule) {
		return func(r *Rule) { r.Naming = registry.Naming{Namespace: namespace, Name: name} }
	}
	only := func(namespaces ...string) func(*Rule) { return func(r *Rule) { r.Namespaces = namespaces } }
	const (
		suffixed = "c/bar-b of b/bar\nc/foo-a of a/foo\nc/foo-b of b/foo"
		prefixed = "c/k8s-bar-b of b/bar\nc/k8s-foo-a of a/foo\nc/k8s-foo-b of b/foo"
		mirrored = "a/foo of a/foo\nb/bar of b/bar\nb/foo of b/foo"
	)
	for _, tt := range []struct {
		name          string
		was, is       func(*Rule)
		before, after string
	}{
		{"the namespace after the name, from now on", naming("c", "{service}"), naming("c", "{service}-{namespace}"), "c/bar of b/bar\nc/foo of a/foo", suffixed},
		{"no longer, and one whose name is another's keeps its old one", naming("c", "{service}-{namespace}"), naming("c", "{service}"), suffixed, "c/bar of b/bar\nc/foo of a/foo\nc/foo-b of b/foo"},
		{"a prefix", naming("c", "{service}-{namespace}"), naming("c", "k8s-{service}-{namespace}"), suffixed, prefixed},
		{"no prefix", naming("c", "k8s-{service}-{namespace}"), naming("c", "{service}-{namespace}"), prefixed, suffixed},
		{"from one namespace to each its own", naming("c", "{service}-{namespace}"), naming("{namespace}", "{service}"), suffixed, mirrored},
		{"from each its own to one", naming("{namespace}", "{service}"), naming("c", "{service}-{namespace}"), mirrored, suffixed},
		{"from one namespace to another", naming("c", "{service}-{namespace}"), naming("d", "{service}-{namespace}"), suffixed, strings.ReplaceAll(suffixed, "c/", "d/")},
		{"each its own, with a prefix", naming("{namespace}", "{service}"), naming("k8s-{namespace}", "{service}"), mirrored, "k8s-a/foo of a/foo\nk8s-b/bar of b/bar\nk8s-b/foo of b/foo"},
		{"fewer namespaces", only("*"), only("b"), mirrored, "b/bar of b/bar\nb/foo of b/foo"},
		{"more namespaces", only("b"), only("*"), "b/bar of b/bar\nb/foo of b/foo", mirrored},
		{"opt-in", func(*Rule) {}, func(r *Rule) { r.OptIn = true }, mirrored, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const theirs = "x/native\nx/yours of a/foo"
				a, b := newStore(t, src, natives), newStore(t, dst, "service x/native Headless\nservice x/yours Headless\n\tmark owner=you of=id:kubernetes/src key=a/foo format=1\n")
				for _, step := range []struct {
					rule func(*Rule)
					want string
				}{{tt.was, tt.before}, {tt.is, tt.after}} {
					r := rule()
					step.rule(r)
					p := start(t, nil, []*Rule{r}, a, b)
					pass(time.Minute)
					p.stop()
					if diff := cmp.Diff(strings.TrimSpace(step.want+"\n"+theirs), b.shownAs(t)); diff != "" {
						t.Fatalf("-want +got\n%s", diff)
					}
				}
			})
		})
	}
}

// TestLoopOriginalChanges holds that a mirror follows what becomes of its original
// and of itself while the bridge runs.
func TestLoopOriginalChanges(t *testing.T) {
	const was = "service shop/web ClusterIP\n\taddr 10.0.0.1\n\tmeta type:=LoadBalancer\n\texternal 192.0.2.1\n\tendpoint 10.1.0.1 id=a ready\n"
	const mirrored = "shop/web of shop/web 192.0.2.1"
	note := func(notes ...string) string {
		text := was
		for _, n := range notes {
			text = strings.Replace(text, "\taddr", "\tmeta \""+n+"\n\taddr", 1)
		}
		return text
	}
	set := func(text string) func(*testing.T, *store, *store) {
		return func(t *testing.T, a, _ *store) { a.set(parse(t, text)...) }
	}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, a, b *store)
		want   string
	}{
		{"it goes", func(_ *testing.T, a, _ *store) { a.remove(webRef("")) }, ""},
		{"it comes again", func(t *testing.T, a, _ *store) {
			a.remove(webRef(""))
			pass(time.Second)
			a.set(parse(t, was)...)
		}, mirrored},
		{"it is no longer wanted", set(note(noteSync + `"=false`)), ""},
		{"it cannot be told whether it is wanted", set(note(noteSync + `"=perhaps`)), mirrored},
		{"it chooses a name", set(note(noteName + `"=pay`)), "shop/pay of shop/web 192.0.2.1"},
		{"it chooses none that there can be", set(note(noteName + `"=`)), mirrored},
		{"another address", set(strings.Replace(was, "192.0.2.1", "192.0.2.7", 1)), "shop/web of shop/web 192.0.2.7"},
		{"another type", set("service shop/web ClusterIP\n\tendpoint 10.1.0.1 id=a ready\n"), "shop/web of shop/web 10.1.0.1"},
		{"it becomes an alias", set("service shop/web ExternalName\n\talias db.example.org\n"), "shop/web of shop/web db.example.org"},
		{"it becomes an alias, and then another", func(t *testing.T, a, _ *store) {
			a.set(parse(t, "service shop/web ExternalName\n\talias db.example.org\n")...)
			pass(time.Second)
			a.set(parse(t, "service shop/web ExternalName\n\talias other.example.org\n")...)
		}, "shop/web of shop/web other.example.org"},
		{"the mirror is written over by hand", func(t *testing.T, _, b *store) {
			b.set(parse(t, strings.ReplaceAll(webMirror, "10.1.0.1", "10.6.6.6"))...)
		}, mirrored},
		{"the mirror is deleted by hand", func(_ *testing.T, _, b *store) { b.remove(webRef("me")) }, mirrored},
		{"a record of ours that nobody wants", func(t *testing.T, _, b *store) {
			b.set(parse(t, strings.ReplaceAll(webMirror, "shop/web", "shop/stray"))...)
		}, mirrored},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := newStore(t, src, was), newStore(t, dst, "")
				r := rule()
				r.Named = []string{""}
				p := start(t, nil, []*Rule{r}, a, b)
				defer p.stop()
				pass(time.Second)
				if got := b.shownAs(t); got != mirrored {
					t.Fatalf("at first: %s", got)
				}
				tt.change(t, a, b)
				pass(time.Minute)
				if diff := cmp.Diff(tt.want, b.shownAs(t)); diff != "" {
					t.Errorf("-want +got\n%s", diff)
				}
			})
		})
	}
}
