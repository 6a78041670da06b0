package isthmus

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/registry/all"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// FuzzBlock holds for whatever stands in a block isthmus: it is a configuration
// that can be served with, or an error that names a line of the file.
func FuzzBlock(f *testing.F) {
	manual, err := os.ReadFile("README.md")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range regexp.MustCompile(`(?s)isthmus[^\n{]*\{\n(.*?)\n\}`).FindAllStringSubmatch(string(manual), -1) {
		f.Add(seed[1])
	}
	for _, seed := range []string{
		"kubernetes prod {\nkubeconfig /k ctx\n}\nconsul dc1 http://127.0.0.1:8500 {\ntoken_file /t\n}\netcd edge http://127.0.0.1:2379 {\nzone cluster.local\n}",
		"endpoint https://10.0.0.1\ntls c k a\nnamespaces a b\nlabels app in (x, y)\napiserver_qps 0.5\napiserver_burst 20\npods verified\nzonal\nnoendpoints",
		"ttl 3601", "ttl -1", "ttl 1e3", "pods", "merge union union", "require consul/dc1", "startup_timeout 1", "fallthrough a.b 10.0.0.0/8 .", "manifests a b c", "consul", "etcd x",
		"kubernetes {\n}\nkubeconfig x", "ignore", "trust a b", "multicluster clusterset.local", "apiserver_qps nan", "consul a http://[::1", "etcd e ::\n{",
	} {
		f.Add(seed)
	}
	files, err := filepath.Glob("testdata/bad/*.corefile")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, block, _ := strings.Cut(string(text), "isthmus")
		_, block, _ = strings.Cut(block, "\n")
		f.Add(strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(block), "}"), "}"))
	}
	for _, text := range hostile.Documents() {
		f.Add(text)
	}
	place := regexp.MustCompile(`^Corefile:(\d+): .`)
	types := all.Types()
	f.Fuzz(func(t *testing.T, inside string) {
		text := "isthmus cluster.local in-addr.arpa {\n" + inside + "\n}\n"
		lines, err := stanza.Parse("Corefile", []byte(text))
		if err != nil || lines[0].Name() != "isthmus" {
			return // FuzzParse of the stanzas has it
		}
		conf, err := parse(lines[0], nil, types, func(string) string { return "" })
		if err != nil {
			m := place.FindStringSubmatch(err.Error())
			if m == nil {
				t.Fatalf("%q: %q names no place", text, err)
			}
			if n, _ := strconv.Atoi(m[1]); n < 1 || n > strings.Count(text, "\n") {
				t.Errorf("%q: %q names no line of it", text, err)
			}
			return
		}
		if len(conf.registries) == 0 || conf.ttl > maxTTL || len(conf.policy().Origins) != len(conf.registries) {
			t.Errorf("%q: %+v", text, conf)
		}
	})
}
