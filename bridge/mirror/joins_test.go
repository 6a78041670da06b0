package mirror

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

const joinSource = `
service consul/db Headless
	endpoint 10.2.0.1 id=vm ready serving
		port "" TCP 5432
service consul/named Headless
	endpoint db.example.org id=vm ready serving
`

// TestJoin is the table of what is planned for natives at the target that ask
// for something.
func TestJoin(t *testing.T) {
	const joined = "service shop/db Headless\n\tmark owner=me of=id:kubernetes/src key=consul/db joins format=1\n\tendpoint 10.2.0.1 id=vm ready serving\n\t\tport pg TCP 5432\n"
	ask := func(text string) string {
		return "service shop/db ClusterIP\n\tport pg TCP 5432 app=pg\n\tendpoint 10.1.0.1 id=a ready serving\n" + text
	}
	const db = "\tmeta isthmus.dev/join=kubernetes/src/db\n"
	down := strings.Replace(ask(db), " ready serving", "", 1)
	for _, tt := range []struct {
		name, source, there string
		inDefault           bool
		want                []string
	}{
		{name: "nobody asks", there: ask(""), want: nil},
		{name: "union", there: ask(db), want: []string{"put shop/db pg=5432 app=pg"}},
		{name: "with a namespace", there: ask("\tmeta isthmus.dev/join=kubernetes/src/consul/db\n"), want: []string{"put shop/db pg=5432 app=pg"}},
		{name: "another registry", there: ask("\tmeta isthmus.dev/join=etcd/edge/db\n"), want: nil},
		{name: "no such service", there: ask("\tmeta isthmus.dev/join=kubernetes/src/nobody\n"), want: []string{`refused shop/db: annotation isthmus.dev/join: there is no "nobody" at kubernetes/src`}},
		{name: "failover, and its own are ready", there: ask(db + "\tmeta isthmus.dev/join-mode=failover\n"), want: nil},
		{name: "failover, and none of its own is ready", there: down + "\tmeta isthmus.dev/join-mode=failover\n", want: []string{"put shop/db pg=5432 app=pg"}},
		{name: "a bad mode, and what is there stands", there: ask(db+"\tmeta isthmus.dev/join-mode=both\n") + joined, want: []string{`refused shop/db: annotation isthmus.dev/join-mode: "both" is neither union nor failover: cannot be held`}},
		{name: "its own are ready again", there: ask(db+"\tmeta isthmus.dev/join-mode=failover\n") + joined, want: []string{"delete shop/db its own instances are ready"}},
		{name: "it asks no more", there: ask("") + joined, want: []string{"delete shop/db nobody asks to join it"}},
		{name: "what joins is gone, held by the budget", source: "service consul/other Headless", there: ask(db) + joined,
			want: []string{"hold shop/db", `refused shop/db: annotation isthmus.dev/join: there is no "db" at kubernetes/src`}},
		{name: "a name that is not known", there: ask("\tmeta isthmus.dev/join=kubernetes/src/named\n"), want: []string{`refused shop/db: address "db.example.org" of instance "vm": not looked up yet`}},
		{name: "a protected namespace", there: strings.Replace(ask(db), "shop/", "default/", 1), want: []string{`refused default/db: namespace "default" is protected: not owned`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.source == "" {
				tt.source = joinSource
			}
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: tt.there})
			c.Feed(dst).ReplaceNamespaces([]string{"shop", "default"})
			r := rule()
			r.Inward, r.Names, r.Limit = true, []string{"nothing"}, Limit{}
			s := c.Snapshot()
			p := Plans(s, []*Rule{r}, func(catalog.Origin) Place { return place(asIs) }, nil)[0]
			if diff := cmp.Diff(tt.want, joinText(p)); diff != "" {
				t.Errorf("plan: -want +got\n%s", diff)
			}
		})
	}
}

func joinText(p *Plan) []string {
	var lines []string
	for _, c := range p.Puts {
		line := "put " + c.Want.Key.String()
		for _, port := range c.Want.Endpoints[0].Ports {
			line += fmt.Sprintf(" %s=%d app=%s", port.Name, port.Number, port.App)
		}
		lines = append(lines, line)
	}
	for _, c := range p.Deletes {
		lines = append(lines, "delete "+c.Found.Key.String()+" "+c.Why)
	}
	for _, c := range p.Held {
		lines = append(lines, "hold "+c.Found.Key.String())
	}
	for _, f := range p.Refused {
		lines = append(lines, "refused "+f.Target.String()+": "+f.Why)
	}
	slices.Sort(lines)
	return lines
}

// TestLoopJoins holds that what joins a native follows its source and comes and goes
// with what is asked, that the native is never written, and that then nothing is.
func TestLoopJoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const native = "service shop/db ClusterIP\n\taddr 10.96.0.1\n\tport pg TCP 5432\n\tendpoint 10.1.0.1 id=a ready serving\n"
		source, _, _ := strings.Cut(joinSource, "service consul/named") // nothing to look up
		a := newStore(t, src, source)
		b := newStore(t, dst, native+"\tmeta isthmus.dev/join=kubernetes/src/db\n")
		b.AddNamespace("shop")
		r := rule()
		r.Inward, r.Names, r.Limit = true, []string{"nothing"}, Limit{}
		p := start(t, nil, []*Rule{r}, a, b)
		defer p.stop()
		ref := catalog.Ref{Key: catalog.Key{Namespace: "shop", Name: "db"}, Owner: "me"}
		was := b.Get(catalog.Ref{Key: ref.Key}).Version
		has := func(want string) {
			t.Helper()
			time.Sleep(time.Second)
			got := ""
			if m := b.Get(ref); m != nil {
				got = m.Endpoints[0].Host.String()
			}
			if got != want {
				t.Errorf("joined by %q, want %q", got, want)
			}
		}
		has("10.2.0.1")
		a.set(parse(t, strings.Replace(source, "10.2.0.1", "10.2.0.2", 1))...)
		has("10.2.0.2")
		n := b.written()
		time.Sleep(time.Hour)
		if b.written() != n || b.Get(catalog.Ref{Key: ref.Key}).Version != was {
			t.Errorf("%d services written at rest, and the native has version %s", b.written()-n, b.Get(catalog.Ref{Key: ref.Key}).Version)
		}
		b.set(parse(t, native)...)
		has("")
	})
}
