package mirror

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// plans are what a rule makes of two small registries.
func plans(t *testing.T, source, target string) []*Plan {
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
	r := &Rule{
		Owner: "me", From: "kubernetes/prod", To: "consul/dc1", Address: Auto, Limit: DefaultLimit(),
		Naming: registry.Naming{Namespace: "consul", Name: "{service}"},
	}
	return Plans(c.Snapshot(), []*Rule{r}, func(catalog.Origin) Place { return place(noBad) }, nil)
}

func noBad(s *catalog.Service) (*catalog.Service, error) {
	if s.Name == "bad" {
		return nil, registry.ErrInvalid
	}
	return s, nil
}

const printSource = `
service shop/new Headless
	endpoint 10.0.0.1 id=a ready
service shop/web Headless
	endpoint 10.0.0.1 id=a ready
service shop/native Headless
service shop/moved Headless
service shop/bad Headless
`

const printTarget = `
service consul/web Headless
	mark owner=me of=id:kubernetes/prod key=shop/web format=1
service consul/gone Headless
	mark owner=me of=id:kubernetes/prod key=shop/gone format=1
service consul/old Headless
	mark owner=me of=id:kubernetes/prod key=shop/moved format=1
service consul/native Headless
`

func TestWriteText(t *testing.T) {
	for _, tt := range []struct{ name, source, target, want string }{
		{"all there is", printSource, printTarget, `kubernetes/prod -> consul/dc1: 0 as they should be
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
		if err := WriteText(&got, plans(t, tt.source, tt.target)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, got.String()); diff != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, diff)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	var out bytes.Buffer
	if err := WriteJSON(&out, plans(t, printSource, printTarget)); err != nil {
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
