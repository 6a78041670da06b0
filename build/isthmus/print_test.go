package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// plans are what a rule makes of two small registries.
func plans(t *testing.T, source, target string) []*mirror.Plan {
	t.Helper()
	c := catalog.New(catalog.Policy{})
	for o, text := range map[catalog.Origin]string{"kubernetes/prod": source, "consul/dc1": target} {
		all, err := catalog.ParseText(text)
		if err != nil {
			t.Fatal(err)
		}
		f := c.Feed(o)
		f.Identify(catalog.Identity("id:" + string(o)))
		f.Replace(all)
	}
	r := &mirror.Rule{
		Owner: "me", From: "kubernetes/prod", To: "consul/dc1", Address: mirror.Auto, Limit: mirror.DefaultLimit(),
		Naming: registry.Naming{Namespace: "consul", Name: "{service}"},
	}
	return mirror.Plans(c.Snapshot(), []*mirror.Rule{r}, func(catalog.Origin) mirror.MirrorOf { return asIs })
}

func asIs(s *catalog.Service) (*catalog.Service, error) {
	if s.Name == "bad" {
		return nil, registry.ErrInvalid
	}
	return s, nil
}

const source = `
service shop/new Headless
	endpoint 10.0.0.1 id=a ready
service shop/web Headless
	endpoint 10.0.0.1 id=a ready
service shop/native Headless
service shop/moved Headless
service shop/bad Headless
`

const target = `
service consul/web Headless
	mark owner=me of=id:kubernetes/prod key=shop/web format=1
service consul/gone Headless
	mark owner=me of=id:kubernetes/prod key=shop/gone format=1
service consul/old Headless
	mark owner=me of=id:kubernetes/prod key=shop/moved format=1
service consul/native Headless
`

func TestPrintText(t *testing.T) {
	for _, tt := range []struct{ name, source, target, want string }{
		{"all there is", source, target, `kubernetes/prod -> consul/dc1: 0 as they should be
  + consul/moved   shop/moved   instances 0, ready 0
  + consul/new     shop/new     instances 1, ready 1
  ~ consul/web     shop/web     instances +1 -0 ~0
  - consul/gone    shop/gone    no longer wanted
  = consul/old     shop/moved   hold: the new name "consul/moved" is not there
  ! consul/native  shop/native  taken: a native service has the name
  ! consul/bad     shop/bad     refused: cannot be held
3 to put, 1 to delete, 1 held
`},
		{"nothing", "", "", "nothing to do\n"},
		{"taken only", "service shop/native Headless", "service consul/native Headless", `kubernetes/prod -> consul/dc1: 0 as they should be
  ! consul/native  shop/native  taken: a native service has the name
nothing to do; 1 not mirrored
`},
	} {
		var got bytes.Buffer
		if err := printText(&got, plans(t, tt.source, tt.target)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got.String()); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
}

func TestPrintJSON(t *testing.T) {
	var out bytes.Buffer
	if err := printJSON(&out, plans(t, source, target)); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rules []struct {
			From, To string
			Lines    []line
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []line{
		{"put", "consul/moved", "shop/moved", "instances 0, ready 0"},
		{"put", "consul/new", "shop/new", "instances 1, ready 1"},
		{"replace", "consul/web", "shop/web", "instances +1 -0 ~0"},
		{"delete", "consul/gone", "shop/gone", "no longer wanted"},
		{"hold", "consul/old", "shop/moved", `the new name "consul/moved" is not there`},
		{"taken", "consul/native", "shop/native", "a native service has the name"},
		{"refused", "consul/bad", "shop/bad", "cannot be held"},
	}
	if len(got.Rules) != 1 || got.Rules[0].From != "kubernetes/prod" || got.Rules[0].To != "consul/dc1" {
		t.Fatalf("rules: %+v", got.Rules)
	}
	if diff := cmp.Diff(want, got.Rules[0].Lines); diff != "" {
		t.Errorf("lines: -want +got\n%s", diff)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plans []*mirror.Plan
		want  int
	}{
		{"nothing", plans(t, "", ""), 0},
		{"taken only", plans(t, "service shop/native Headless", "service consul/native Headless"), 0},
		{"changes", plans(t, source, target), 2},
		{"blocked", []*mirror.Plan{{Rule: &mirror.Rule{}, Blocked: "no"}}, 1},
	} {
		err := verdict(tt.plans)
		got := 0
		var exit exitError
		switch {
		case errors.As(err, &exit):
			got = exit.status
		case err != nil:
			got = 1
		}
		if got != tt.want {
			t.Errorf("%s: exit status %d, want %d", tt.name, got, tt.want)
		}
	}
}
