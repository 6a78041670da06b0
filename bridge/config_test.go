package bridge

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// kind is a type of registry in the test.
type kind struct {
	name     string
	naming   registry.Naming
	speaks   bool
	readOnly bool
	open     func(origin catalog.Origin, owner string) registry.Writer
}

// kinds are types named as the real ones, with their habits.
func kinds(open func(catalog.Origin, string) registry.Writer) []registry.Type {
	var all []registry.Type
	for _, k := range []kind{
		{name: "kubernetes", naming: registry.Naming{Name: "{service}"}, speaks: true},
		{name: "consul", naming: registry.Naming{Namespace: "consul", Name: "{service}-{namespace}"}},
		{name: "manifests", speaks: true, readOnly: true},
	} {
		k.open = open
		all = append(all, registry.Type{Name: k.name, Parse: k.parse})
	}
	return all
}

func (k kind) parse(s stanza.Stanza, _ func(string) string) (registry.Config, error) {
	if err := s.WantArgs(1, 1, s.Name()+" NAME"); err != nil {
		return nil, err
	}
	for _, o := range s.Block {
		return nil, o.Errorf("unknown word %q in the block of a %s registry", o.Name(), k.name)
	}
	o := opener{k, catalog.Origin(k.name + "/" + s.Args()[0])}
	if k.speaks {
		return noted{opener: o}, nil
	}
	return o, nil
}

// opener is a registry.Config in the test.
type opener struct {
	kind
	origin catalog.Origin
}

func (o opener) Origin() catalog.Origin  { return o.origin }
func (o opener) Naming() registry.Naming { return o.naming }
func (o opener) String() string          { return string(o.origin) }
func (o opener) Policy() catalog.OriginPolicy {
	return catalog.OriginPolicy{Origin: o.origin, Speaks: o.speaks}
}
func (o opener) Reader(*slog.Logger) (registry.Registry, error) { return o.open(o.origin, ""), nil }
func (o opener) Writer(owner string, _ *slog.Logger) (registry.Writer, error) {
	if o.readOnly {
		return nil, errors.ErrUnsupported
	}
	return o.open(o.origin, owner), nil
}

// Election elects by the registry in memory.
func (o opener) Election(_, place string, times registry.LeaseTimes, _ *slog.Logger) (registry.Election, error) {
	w, ok := o.open(o.origin, "").(*client)
	if !ok || place == "bad" {
		return nil, fmt.Errorf("place %q: want a good one", place)
	}
	return w.place.Election(place, times), nil
}

// closed is a registry that nobody gets to use.
type closed struct{ registry.Writer }

func (closed) Close() error { return nil }

func unopened(catalog.Origin, string) registry.Writer { return closed{} }

func noEnv(string) string { return "" }

// TestBad holds the error of each file in testdata/bad: its first line says
// what it begins with, after the file's name.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.conf")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
			if want == "" {
				t.Fatal("the first line says nothing")
			}
			err = open(file)
			if err == nil {
				t.Fatalf("no error, want %q", want)
			}
			if got := err.Error(); !strings.HasPrefix(got, file+":") || !strings.HasPrefix(strings.TrimLeft(got[len(file)+1:], " "), want) {
				t.Errorf("error %q, want %q", got, file+":"+want)
			}
		})
	}
}

func open(file string) error {
	c, err := Load(file, kinds(unopened), noEnv)
	if err != nil {
		return err
	}
	b, err := Open(c, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return b.Close()
}

func TestParse(t *testing.T) {
	const text = `
bridge prod {
    mirror kubernetes/prod consul/dc1 {
        namespaces * !kube-system
        namespace x-{namespace}
        name k-{service}
        address endpoints
        delete_limit 5 30%
        delete_hold never
    }
    kubernetes prod {
    }
    metrics {$ADDR}
    mirror consul/dc1 kubernetes/prod {
        namespace consul
        names web* !*-test
        from other third
        tags v1 !canary
        only_passing
        service clusterip
        create_namespace
        delete_limit 50%
    }
    consul dc1
    lead none
}
`
	env := func(name string) string { return map[string]string{"ADDR": "127.0.0.1:0"}[name] }
	c, err := Parse("isthmus.conf", []byte(text), kinds(unopened), env)
	if err != nil {
		t.Fatal(err)
	}
	want := []*mirror.Rule{{
		Owner: "prod", From: "kubernetes/prod", To: "consul/dc1", Namespaces: []string{"*", "!kube-system"},
		Naming: registry.Naming{Namespace: "x-{namespace}", Name: "k-{service}"}, Address: mirror.Endpoints,
		Limit: mirror.Limit{Services: 5, Percent: 30},
	}, {
		Owner: "prod", From: "consul/dc1", To: "kubernetes/prod", Address: mirror.Auto, Inward: true,
		Bridges: []string{"other", "third"}, Names: []string{"web*", "!*-test"}, Tags: []string{"v1", "!canary"}, Passing: true, Virtual: true, Make: true,
		Naming: registry.Naming{Namespace: "consul", Name: "{service}"}, Limit: mirror.Limit{Percent: 50}, Hold: 5 * time.Minute,
	}}
	if diff := cmp.Diff(want, c.Rules); diff != "" {
		t.Errorf("rules: -want +got\n%s", diff)
	}
	if c.Owner != "prod" || c.Metrics != "127.0.0.1:0" || len(c.Registries) != 2 || c.Registries[0].Origin() != "kubernetes/prod" {
		t.Errorf("config: %+v", c)
	}
}

// FuzzParse holds that no file upsets the parser, and that an error names the
// file and, where there is one, the line.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.conf")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range append(files, "README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```\n") {
			f.Add(block)
		}
	}
	for _, text := range hostile.Documents() {
		f.Add(text)
	}
	place := regexp.MustCompile(`^f:( |\d+: ).`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("f", []byte(text), kinds(unopened), noEnv)
		switch {
		case err != nil && !place.MatchString(err.Error()):
			t.Errorf("Parse(%q): %q names no place", text, err)
		case err == nil && (c.Owner == "" || len(c.Rules) == 0):
			t.Errorf("Parse(%q) = %+v", text, c)
		}
	})
}
