package mirror

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/isthmus-dns/isthmus/catalog"
)

// noting is a service of one endpoint with these notes.
func noting(notes ...string) string {
	text := "service shop/web ClusterIP\n\taddr 10.0.0.1\n\tport http TCP 80\n\tport rpc TCP 81\n"
	for _, n := range notes {
		k, v, _ := strings.Cut(n, "=")
		text += fmt.Sprintf("\tmeta %q=%q\n", k, v)
	}
	return text + "\tendpoint 10.1.0.1 id=a ready serving\n\t\tport http TCP 8080\n\t\tport rpc TCP 2000\n"
}

// chosen is w with all that annotations choose.
func (w *Wanted) chosen() string {
	var lines []string
	for _, kept := range w.Services {
		s := kept.Service()
		line := s.Key.String()
		for _, e := range s.Endpoints {
			line += fmt.Sprintf(" %s*%d", e.Host, e.Weight)
			if len(e.Tags) > 0 {
				line += fmt.Sprintf(" tags %q", e.Tags)
			}
			for _, p := range e.Ports {
				line += fmt.Sprintf(" %s:%d", p.Name, p.Number)
			}
		}
		for _, k := range slices.Sorted(func(yield func(string) bool) {
			for k := range s.Meta {
				if !yield(k) {
					return
				}
			}
		}) {
			line += fmt.Sprintf(" %s=%s", k, s.Meta[k])
		}
		lines = append(lines, line)
	}
	for _, f := range w.Refused {
		lines = append(lines, "refused "+f.Why)
	}
	for _, f := range w.Reduced {
		lines = append(lines, "reduced "+f.Why)
	}
	return strings.Join(lines, "\n")
}

func TestChoices(t *testing.T) {
	const plain = "shop/web 10.1.0.1*0 http:8080 rpc:2000"
	name := func(value string) string { return noteName + "=" + value }
	optIn := func(r *Rule) { r.OptIn = true }
	exports := func(r *Rule) { r.Exports = true }
	named := func(prefixes ...string) func(*Rule) { return func(r *Rule) { r.Named = prefixes } }
	toEtcd := func(r *Rule) { r.To = "etcd/dst" }
	labelled := func(text string) func(*Rule) {
		return func(r *Rule) {
			var err error
			if r.Labels, err = labels.Parse(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name  string
		notes []string
		rule  func(*Rule)
		want  string
	}{
		{"nothing is said", nil, nil, plain},
		{"notes are no metadata", []string{"isthmus.dev/x=y", "label:app=web", "type:=LoadBalancer2", "team=blue"}, nil, plain + " team=blue"},
		// Whether at all.
		{"off, and nothing is said", nil, optIn, ""},
		{"off, and asked for", []string{noteExport + "=true"}, optIn, plain},
		{"off, and asked for as consul-k8s reads it", []string{noteSync + "=t"}, optIn, plain},
		{"on, and not wanted", []string{noteExport + "=false"}, nil, ""},
		{"on, and not wanted as consul-k8s reads it", []string{noteSync + "=F"}, nil, ""},
		{"ours comes first", []string{noteSync + "=false", noteExport + "=true"}, nil, plain},
		{"consul's word is for Consul", []string{noteSync + "=false"}, toEtcd, plain},
		{"neither true nor false", []string{noteExport + "=flase"}, nil, `refused annotation isthmus.dev/export: "flase" is neither true nor false: cannot be held`},
		{"neither for consul-k8s", []string{noteSync + "="}, nil, `refused annotation consul.hashicorp.com/service-sync: "" is neither true nor false: cannot be held`},
		// By their exports.
		{"not exported", nil, exports, ""},
		{"exported", []string{"export:=wanted"}, exports, plain},
		{"exported, and nobody asks", []string{"export:=wanted"}, optIn, ""},
		{"exported, and not wanted", []string{"export:=wanted", noteExport + "=false"}, exports, ""},
		{"not exported, and asked for", []string{noteExport + "=true"}, exports, plain},
		{"nobody can tell", []string{"export:=unknown"}, exports, "refused " + errExportsUnknown.Error()},
		{"nobody can tell, and not wanted", []string{"export:=unknown", noteSync + "=false"}, exports, ""},
		{"exported, without the label", []string{"export:=wanted"}, func(r *Rule) { exports(r); labelled("app")(r) }, ""},
		// By labels.
		{"a label that it has", []string{"label:app=web"}, labelled("app in (web, db)"), plain},
		{"one that it has not", []string{"label:app=api"}, labelled("app in (web, db)"), ""},
		{"none at all", nil, labelled("app"), ""},
		{"one that it may not have", nil, labelled("!app"), plain},
		{"export is no way around labels", []string{noteExport + "=true"}, labelled("app"), ""},
		// Under which name.
		{"names are the rule's", []string{name("pay")}, nil, plain + "\n" + `reduced annotation consul.hashicorp.com/service-name: "pay": annotated_names does not let it`},
		{"unless it may choose", []string{name(" Pay ")}, named(""), strings.Replace(plain, "shop/web", "shop/pay", 1)},
		{"within prefixes", []string{name("shop-pay")}, named("team-", "shop-"), strings.Replace(plain, "shop/web", "shop/shop-pay", 1)},
		{"not outside of them", []string{name("pay")}, named("team-"), plain + "\n" + `reduced annotation consul.hashicorp.com/service-name: "pay": annotated_names does not let it`},
		{"an empty name", []string{name(" ")}, named(""), `refused annotation consul.hashicorp.com/service-name: " " is no name: cannot be held`},
		{"255 characters", []string{name(strings.Repeat("x", 255))}, named(""), strings.Replace(plain, "web", strings.Repeat("x", 255), 1)},
		{"256", []string{name(strings.Repeat("x", 256))}, named(""), `refused annotation consul.hashicorp.com/service-name: "` + strings.Repeat("x", 256) + `" is no name: cannot be held`},
		{"names are for Consul", []string{name("pay")}, toEtcd, plain},
		// With what.
		{"tags", []string{noteTags + `=one, leading,trailing ,\,lead,trail\,,mid\,dle,,`}, nil, `shop/web 10.1.0.1*0 tags ["one" "leading" "trailing" ",lead" "trail," "mid,dle"] http:8080 rpc:2000`},
		{"metadata", []string{noteMeta + "foo=bar"}, nil, plain + " foo=bar"},
		{"metadata without a name", []string{noteMeta + "=bar"}, nil, plain + "\nreduced annotation consul.hashicorp.com/service-meta-: it names no metadata"},
		{"weight", []string{noteHeavy + "=22"}, nil, "shop/web 10.1.0.1*22 http:8080 rpc:2000"},
		{"our weight comes first", []string{noteHeavy + "=22", noteWeight + "=7"}, nil, "shop/web 10.1.0.1*7 http:8080 rpc:2000"},
		{"no weight", []string{noteHeavy + "=0"}, nil, plain + "\n" + `reduced annotation consul.hashicorp.com/service-weight: "0" is no weight from 1 to 65535`},
		{"a port by name", []string{notePort + "=RPC"}, nil, plain + " isthmus.dev/port=rpc"},
		{"a port by number", []string{notePort + "=2000"}, nil, plain + " isthmus.dev/port=rpc"},
		{"a port that only the annotation knows", []string{notePort + "=4141"}, nil, "shop/web 10.1.0.1*0 default:4141 http:8080 rpc:2000 isthmus.dev/port=default"},
		{"no port", []string{notePort + "=grpc"}, nil, plain + "\n" + `reduced annotation consul.hashicorp.com/service-port: "grpc" is none of the ports`},
		{"what is for Consul is not for others", []string{notePort + "=rpc", noteTags + "=a", noteHeavy + "=x", noteMeta + "a=b"}, toEtcd, plain},
		{"an address of its own", []string{noteAddress + "=clusterip"}, nil, "shop/web 10.0.0.1*0 http:80 rpc:81"},
		{"an address that is none", []string{noteAddress + "=pods"}, nil, plain + "\n" + `reduced annotation isthmus.dev/address: unknown address policy "pods": want auto, endpoints, clusterip, nodeport, loadbalancer or external`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := rule()
			if tt.rule != nil {
				tt.rule(r)
			}
			c := sides(t, map[catalog.Origin]string{src: noting(tt.notes...), r.To: ""})
			if diff := cmp.Diff(tt.want, wanted(c.Snapshot(), r).chosen()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestBadAnnotation holds that what an annotation breaks is that one mirror's
// next state, and neither what stands of it nor another service.
func TestBadAnnotation(t *testing.T) {
	c := sides(t, map[catalog.Origin]string{src: noting(noteExport+"=perhaps") + "service shop/db Headless\n", dst: ""})
	r := rule()
	there := *wanted(c.Snapshot(), r).Services[catalog.Key{Namespace: "shop", Name: "db"}].Service()
	there.Key.Name = "web"
	there.Mark = &catalog.Mark{Owner: "me", Of: id(src), Key: catalog.Key{Namespace: "shop", Name: "web"}, Format: catalog.MarkFormat}
	c.Feed(dst).Replace([]*catalog.Service{&there})
	p := Diff(c.Snapshot(), wanted(c.Snapshot(), r), nil, Budget{})
	if len(p.Puts) != 1 || p.Puts[0].Want.Name != "db" || len(p.Deletes)+len(p.Held) != 0 || len(p.Refused) != 1 {
		t.Errorf("plan: %d puts, %d deletes, %d held, refused %v", len(p.Puts), len(p.Deletes), len(p.Held), p.Refused)
	}
}
