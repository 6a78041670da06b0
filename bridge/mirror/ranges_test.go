package mirror

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// rangesOf are networks as a target reports them.
func rangesOf(all ...string) (out []netip.Prefix) {
	for _, text := range all {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

const mirrorOfWeb = "service shop/web Headless\n\tmark owner=me of=id:kubernetes/src key=shop/web format=1\n\tendpoint 10.1.0.1 id=a ready serving\n"

// TestRanges is the table of addresses that are the target's to give.
func TestRanges(t *testing.T) {
	const no = ": cannot be held"
	at := func(addrs ...string) string {
		text := "service shop/web Headless\n"
		for _, a := range addrs {
			text += "\tendpoint " + a + " id=" + a + " ready serving\n"
		}
		return text
	}
	for _, tt := range []struct {
		name, source, there string
		rule                func(*Rule)
		want                []string
	}{
		{name: "outside", source: at("10.1.0.1", "fd00:1::1"), want: []string{"put shop/web 10.1.0.1 fd00:1::1"}},
		{name: "in a range, alone", source: at("10.96.0.1"), want: []string{`refused shop/web: address "10.96.0.1" of instance "10.96.0.1" is in the Service range 10.96.0.0/16 of consul/dst` + no}},
		{name: "in the other family's", source: at("fd00:10:96::a"), want: []string{`refused shop/web: address "fd00:10:96::a" of instance "fd00:10:96::a" is in the Service range fd00:10:96::/112 of consul/dst` + no}},
		{name: "beside others, the first is named", source: at("10.1.0.1", "10.96.0.1", "10.96.0.2", "10.1.0.2"),
			want: []string{"put shop/web 10.1.0.1 10.1.0.2", `reduced shop/web: address "10.96.0.1" of instance "10.96.0.1" is in the Service range 10.96.0.0/16 of consul/dst` + no}},
		{name: "it was mirrored before the range was known", source: at("10.96.0.1"), there: strings.Replace(mirrorOfWeb, "10.1.0.1", "10.96.0.1", 1),
			want: []string{"delete shop/web", `refused shop/web: address "10.96.0.1" of instance "10.96.0.1" is in the Service range 10.96.0.0/16 of consul/dst` + no}},
		{name: "it moved there, and was mirrored where it was", source: at("10.96.0.1"), there: mirrorOfWeb,
			want: []string{"delete shop/web", `refused shop/web: address "10.96.0.1" of instance "10.96.0.1" is in the Service range 10.96.0.0/16 of consul/dst` + no}},
		{name: "by a name", source: at("10.1.0.1", "inside.example.org"), want: []string{"put shop/web 10.1.0.1", `reduced shop/web: address "10.96.7.7" of instance "inside.example.org@10.96.7.7" is in the Service range 10.96.0.0/16 of consul/dst` + no}},
		{name: "an original's virtual address", source: "service shop/web ClusterIP\n\taddr 10.96.0.1\n\tendpoint 10.1.0.1 id=a ready serving\n", rule: address(Virtual),
			want: []string{`refused shop/web: address "10.96.0.1" of instance "10.96.0.1" is in the Service range 10.96.0.0/16 of consul/dst` + no}},
		{name: "outward", source: at("10.96.0.1"), rule: func(r *Rule) { r.Inward = false }, want: []string{"put shop/web 10.96.0.1"}},
		{name: "the target's own, which came back", source: "service shop/web Headless\n\tmark owner=me of=id:consul/dst key=shop/web format=1\n\tendpoint 10.96.0.1 id=a ready serving\n"},
		{name: "the target's own, by another bridge that is read", source: "service shop/web Headless\n\tmark owner=you of=id:consul/dst key=shop/web format=1\n\tendpoint 10.96.0.1 id=a ready serving\n",
			rule: func(r *Rule) { r.Bridges = []string{"you"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: tt.there})
			c.Feed(dst).ReplaceNamespaces([]string{"shop"})
			c.Feed(dst).ReplaceRanges(rangesOf("10.96.0.0/16", "fd00:10:96::/112"))
			r := rule()
			if r.Inward = true; tt.rule != nil {
				tt.rule(r)
			}
			names := &Answers{of: map[string]answer{"inside.example.org": known("10.96.7.7")}}
			p := Plans(c.Snapshot(), []*Rule{r}, func(catalog.Origin) Place { return place(asIs) }, names)[0]
			if diff := cmp.Diff(tt.want, rangesText(p)); diff != "" {
				t.Errorf("plan: -want +got\n%s", diff)
			}
		})
	}
}

func rangesText(p *Plan) []string {
	var lines []string
	for _, c := range p.Puts {
		line := "put " + c.Want.Key.String()
		for _, e := range c.Want.Endpoints {
			line += " " + e.Host.String()
		}
		lines = append(lines, line)
	}
	for _, c := range p.Deletes {
		lines = append(lines, "delete "+c.Found.Key.String())
	}
	for _, f := range p.Refused {
		lines = append(lines, "refused "+f.Target.String()+": "+f.Why)
	}
	for _, f := range p.Reduced {
		lines = append(lines, "reduced "+f.Target.String()+": "+f.Why)
	}
	return lines
}

// TestJoinRanges is TestRanges for what natives at the target ask for.
func TestJoinRanges(t *testing.T) {
	const joined = "service shop/db Headless\n\tmark owner=me of=id:kubernetes/src key=consul/db joins format=1\n\tendpoint 10.96.0.1 id=vm ready serving\n"
	const native = "service shop/db ClusterIP\n\taddr 10.96.0.9\n\tendpoint 10.1.0.1 id=a ready serving\n\tmeta isthmus.dev/join=kubernetes/src/db\n"
	const said = `shop/db: address "10.96.0.1" of instance "vm" is in the Service range 10.96.0.0/16 of consul/dst: cannot be held`
	for _, tt := range []struct {
		name, source, there string
		want                []string
	}{
		{"alone", "service consul/db Headless\n\tendpoint 10.96.0.1 id=vm ready serving\n", native, []string{"refused " + said}},
		{"beside others", "service consul/db Headless\n\tendpoint 10.2.0.1 id=a ready serving\n\tendpoint 10.96.0.1 id=vm ready serving\n", native, []string{"put shop/db 10.2.0.1", "reduced " + said}},
		{"it was joined before", "service consul/db Headless\n\tendpoint 10.96.0.1 id=vm ready serving\n", native + joined, []string{"delete shop/db", "refused " + said}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: tt.there})
			c.Feed(dst).ReplaceNamespaces([]string{"shop"})
			c.Feed(dst).ReplaceRanges(rangesOf("10.96.0.0/16"))
			r := rule()
			r.Inward, r.Names = true, []string{"nothing"}
			p := Plans(c.Snapshot(), []*Rule{r}, func(catalog.Origin) Place { return place(asIs) }, nil)[0]
			if diff := cmp.Diff(tt.want, rangesText(p)); diff != "" {
				t.Errorf("plan: -want +got\n%s", diff)
			}
		})
	}
}

// TestLoopRanges holds that a loop goes by the ranges as they are from time to time,
// also for services that it mirrored before.
func TestLoopRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newStore(t, src, "service shop/web Headless\n\tendpoint 10.97.0.1 id=a ready serving\nservice shop/other Headless\n\tendpoint 10.1.0.1 id=a ready serving\n")
		b := newStore(t, dst, "")
		b.AddNamespace("shop")
		r := rule()
		r.Inward = true
		p := start(t, nil, []*Rule{r}, a, b)
		defer p.stop()
		ref := catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "web"}, Owner: "me"}
		has := func(want bool, refused int) {
			t.Helper()
			time.Sleep(time.Second)
			st := p.loops[r.String()].Status()
			if there := b.Get(ref) != nil; there != want || len(st.Refused) != refused || !st.Settled() {
				t.Errorf("mirrored %t, want %t; the status is %+v", there, want, st)
			}
		}
		has(true, 0)
		p.catalog.Feed(dst).ReplaceRanges(rangesOf("10.96.0.0/16"))
		has(true, 0)
		p.catalog.Feed(dst).ReplaceRanges(rangesOf("10.96.0.0/16", "10.97.0.0/16"))
		has(false, 1)
		a.set(parse(t, "service shop/web Headless\n\tendpoint 10.97.0.2 id=a ready serving\n")...)
		has(false, 1)
		p.catalog.Feed(dst).ReplaceRanges(rangesOf("10.96.0.0/16"))
		has(true, 0)
	})
}
