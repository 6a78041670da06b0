package kubernetes

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/registry"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

func parseText(text string, env map[string]string) (registry.Config, error) {
	all, err := stanza.Parse("Corefile", []byte(text))
	if err != nil {
		return nil, err
	}
	return Type().Parse(all[0], func(name string) string { return env[name] })
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ name, in, want, err string }{
		{name: "nothing", in: "kubernetes", want: "kubernetes cluster"},
		{name: "empty block", in: "kubernetes {\n}", want: "kubernetes cluster"},
		{name: "name", in: "kubernetes prod", want: "kubernetes prod"},
		{
			name: "everything",
			in:   "kubernetes prod {\n\tkubeconfig /k ctx\n\tendpoint https://10.0.0.1:6443\n\ttls c k a\n\tnamespaces b a b\n\tlabels app in (x, y)\n\tqps 0.5\n\tburst 6\n\tmax_inflight 7\n\tpods\n\tfence_namespace isthmus\n\tcompare 90s\n\tnoendpoints\n}",
			want: "kubernetes prod { kubeconfig /k ctx; endpoint https://10.0.0.1:6443; tls c k a; namespaces b a b; labels app in (x, y); qps 0.5; burst 6; max_inflight 7; pods; fence_namespace isthmus; compare 90s; noendpoints }",
		},
		{name: "a password in a URL", in: "kubernetes {\n\tendpoint https://me:secret@10.0.0.1\n}", want: "kubernetes cluster { endpoint https://xxxxx@10.0.0.1 }"},
		{name: "two names", in: "kubernetes a b", err: `Corefile:1: unexpected word "b": kubernetes [NAME] { ... }`},
		{name: "unknown word", in: "kubernetes {\n\tcolour red\n}", err: `Corefile:2: unknown word "colour" in the block of a kubernetes registry`},
		{name: "twice", in: "kubernetes {\n\tqps 1\n\tqps 2\n}", err: `Corefile:3: "qps" stands here twice`},
		{name: "nested block", in: "kubernetes {\n\tqps 1 {\n\t}\n}", err: `Corefile:2: "qps" takes no block`},
		{name: "too few words", in: "kubernetes {\n\ttls a b\n}", err: `Corefile:2: "tls" wants more words: tls CERT KEY CACERT`},
		{name: "bad number", in: "kubernetes {\n\tqps many\n}", err: `Corefile:2: qps: "many" is no positive number`},
		{name: "no positive number", in: "kubernetes {\n\tqps 0\n}", err: `Corefile:2: qps: "0" is no positive number`},
		{name: "no number at all", in: "kubernetes {\n\tqps NaN\n}", err: `Corefile:2: qps: "NaN" is no positive number`},
		{name: "bad interval", in: "kubernetes {\n\tcompare 10ms\n}", err: `Corefile:2: "10ms": want compare DURATION, of 1s at least`},
		{name: "bad count", in: "kubernetes {\n\tmax_inflight 1.5\n}", err: `Corefile:2: max_inflight: "1.5" is no positive number`},
		{name: "pods takes no word", in: "kubernetes {\n\tpods verified\n}", err: `Corefile:2: unexpected word "verified": pods`},
		{name: "bad selector", in: "kubernetes {\n\tlabels a=b=c\n}", err: `Corefile:2: "a=b=c" is no label selector`},
		{name: "bad URL", in: "kubernetes {\n\tendpoint 10.0.0.1:6443\n}", err: `Corefile:2: "10.0.0.1:6443" is no URL of an API server`},
		{name: "tls without endpoint", in: "kubernetes {\n\ttls a b c\n}", err: "Corefile:1: tls wants an endpoint"},
		{name: "namespaces twice over", in: "kubernetes {\n\tnamespaces a\n\tnamespace_labels x\n}", err: "Corefile:1: namespaces and namespace_labels exclude each other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parseText(tt.in, nil)
			if tt.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
					t.Fatalf("Parse = %v, want error %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, c.String()); diff != "" {
				t.Errorf("String (-want +got):\n%s", diff)
			}
		})
	}
}

const kubeconfig = `
apiVersion: v1
kind: Config
current-context: a
clusters:
- {name: a, cluster: {server: "https://a.example.org"}}
- {name: b, cluster: {server: "https://b.example.org"}}
contexts:
- {name: a, context: {cluster: a}}
- {name: b, context: {cluster: b}}
`

func TestWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"KUBECONFIG": file}
	for _, tt := range []struct {
		name, in string
		env      map[string]string
		want     string
		err      string
	}{
		{name: "file", in: "kubeconfig " + file, want: "https://a.example.org"},
		{name: "file and context", in: "kubeconfig " + file + " b", want: "https://b.example.org"},
		{name: "file before endpoint", in: "kubeconfig " + file + "\nendpoint http://c.example.org", want: "https://a.example.org"},
		{name: "environment", env: env, want: "https://a.example.org"},
		{name: "endpoint before environment", in: "endpoint http://c.example.org", env: env, want: "http://c.example.org"},
		{name: "no such file", in: "kubeconfig /no/such", err: `open kubernetes/cluster: kubeconfig ["/no/such"]`},
		{name: "nothing", err: "open kubernetes/cluster: no kubeconfig and no endpoint is given, and this is no pod of a cluster"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("KUBERNETES_SERVICE_HOST", "")
			c, err := parseText("kubernetes {\n"+tt.in+"\n}", tt.env)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Reader(slog.New(slog.DiscardHandler))
			if tt.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
					t.Fatalf("Reader = %v, want error %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			to, err := c.(*config).rest()
			if err != nil || to.Host != tt.want {
				t.Errorf("host %q, %v; want %q", to.Host, err, tt.want)
			}
		})
	}
}

func TestWriterWantsToSeeMirrors(t *testing.T) {
	for _, option := range []string{"labels a=b", "noendpoints", "nopodnames"} {
		c, err := parseText("kubernetes {\nendpoint http://127.0.0.1:1\n"+option+"\n}", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Writer("prod", slog.New(slog.DiscardHandler)); err == nil || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: Writer = %v, want an error", option, err)
		}
	}
}
