package build

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/isthmus-dns/isthmus"

// layer says what one folder's packages may import of ours, and which others'
// code they must not link, each with the reason that a failure prints.
type layer struct {
	folder string   // relative to the module; the longest match counts
	may    []string // folders of ours; a trailing slash means everything below, too
	not    []string // import path prefixes of others
	reason string
}

var registries = []string{"kubernetes", "consul", "etcd", "zookeeper", "manifests", "memory"}

// layers is DESIGN's "who may import whom".
func layers() []layer {
	all := []layer{
		{"catalog", []string{"catalog/"}, []string{"."}, "catalog defines the words and does no I/O: standard library only"},
		{"registry", []string{"catalog/", "registry/stanza"}, dns, "the contract knows no registry and nothing of CoreDNS but the lexer"},
		{"registry/kubeobject", []string{"catalog/", "registry"}, dns, "objects to services and back: pure, for the two registries that read Kubernetes' objects"},
		{"registry/registrytest", []string{"catalog/", "registry/"}, dns, "the suite knows the contract and the reference implementation only"},
		{"registry/all", []string{"registry/"}, dns, "the list of registries"},
		{"plugin/isthmus", []string{"catalog/", "registry", "registry/stanza", "registry/all"}, clients, "the plugin reads the catalog; plugin and bridge never meet; client libraries stay inside their registry"},
		{"bridge", []string{"catalog/", "registry", "registry/stanza", "registry/all", "bridge/"}, slices.Concat(dns, clients), "plugin and bridge never meet; client libraries stay inside their registry"},
		{"bridge/mirror", []string{"catalog/", "registry"}, slices.Concat(dns, clients), "the reconciling core knows the contract only"},
		{"build/coredns", []string{"plugin/isthmus"}, nil, "a program wires; it does not work"},
		{"build/isthmus", []string{"bridge/", "catalog/", "registry/"}, []string{"github.com/coredns/coredns"}, "the bridge's program links no DNS server"},
		{"build/demo", []string{""}, nil, "the demo is everything in one process"},
		{"build", nil, nil, "tests of the repository itself"},
		{"integration/servers", []string{"integration/servers/"}, []string{"."}, "real servers, started from outside: standard library only"},
		{"integration/bench", []string{"integration/", "registry/registrytest/proxy"}, nil, "black box: the programs, measured; what cuts connections for tests does so here"},
		{"integration", []string{"integration/"}, nil, "black box: the programs against real servers"},
	}
	for _, r := range registries {
		all = append(all, layer{"registry/" + r, []string{"catalog/", "registry", "registry/stanza", "registry/kubeobject", "registry/" + r + "/"}, dns,
			"a registry never imports a sibling, the plugin, the bridge or anything of CoreDNS but the lexer"})
	}
	return all
}

var (
	dns     = []string{"github.com/coredns/coredns", "github.com/miekg/dns"}
	clients = []string{"k8s.io/client-go", "go.etcd.io/", "github.com/hashicorp/consul", "github.com/go-zookeeper"}
)

type goPackage struct {
	ImportPath, Dir, Doc string
	Imports              []string
	GoFiles              []string
}

// packages lists the module's packages as the go command sees them.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", module+"/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		l := layerOf(strings.TrimPrefix(p.ImportPath, module+"/"))
		if l == nil {
			t.Errorf("%s: DESIGN draws no such folder: add it to layers with its reason, or move it", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if !l.allows(imp) {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, l.reason)
			}
		}
	}
}

func layerOf(folder string) *layer {
	var best *layer
	for _, l := range layers() {
		if (folder == l.folder || strings.HasPrefix(folder, l.folder+"/")) && (best == nil || len(l.folder) > len(best.folder)) {
			best = &l
		}
	}
	return best
}

func (l *layer) allows(imp string) bool {
	ours, ok := strings.CutPrefix(imp, module+"/")
	if !ok {
		return !slices.ContainsFunc(l.not, func(prefix string) bool { return foreign(imp, prefix) })
	}
	return slices.ContainsFunc(l.may, func(f string) bool {
		return ours == strings.TrimSuffix(f, "/") || (f == "" || strings.HasSuffix(f, "/")) && strings.HasPrefix(ours, f)
	})
}

// foreign reports whether imp is others' code below prefix; "." stands for all
// that is not the standard library.
func foreign(imp, prefix string) bool {
	if prefix == "." {
		first, _, _ := strings.Cut(imp, "/")
		return strings.Contains(first, ".")
	}
	return strings.HasPrefix(imp, prefix)
}

// TestLayersCanFail holds that the rules above refuse what they are there for.
func TestLayersCanFail(t *testing.T) {
	for _, tt := range []struct{ folder, imp string }{
		{"catalog", module + "/registry"},
		{"catalog/pmap", "golang.org/x/time/rate"},
		{"registry", module + "/registry/consul"},
		{"registry/consul", module + "/registry/etcd"},
		{"registry/etcd", "github.com/coredns/coredns/plugin"},
		{"plugin/isthmus", module + "/bridge"},
		{"plugin/isthmus", "k8s.io/client-go/kubernetes"},
		{"bridge/mirror", module + "/registry/all"},
		{"bridge", "github.com/hashicorp/consul/api"},
		{"build/isthmus", "github.com/coredns/coredns/plugin"},
	} {
		if layerOf(tt.folder).allows(tt.imp) {
			t.Errorf("%s may import %s", tt.folder, tt.imp)
		}
	}
}
