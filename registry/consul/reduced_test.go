package consul

import (
	"fmt"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestReduced holds that whatever Consul's limits take away is said.
func TestReduced(t *testing.T) {
	many := map[string]string{}
	for i := range 64 {
		many[fmt.Sprintf("k%02d", i)] = "v"
	}
	long := strings.Repeat("x", 513)
	for _, tt := range []struct {
		name string
		meta map[string]string
		want []string // one for each line
	}{
		{"nothing", nil, nil},
		{"what fits, by a name that is made to fit", map[string]string{"app.kubernetes.io/name": "web", "team": "blue"}, nil},
		{"the main port", map[string]string{catalog.MetaMainPort: "rpc"}, nil},
		{"a value of 512 bytes", map[string]string{"a": long[:512]}, nil},
		{"one more", map[string]string{"a": long}, []string{`metadata "a" is cut off`}},
		{"a name of ours", map[string]string{"isthmus-owner": "x", "port-http": "1"}, []string{`metadata "isthmus-owner" is left out: the name`, `metadata "port-http" is left out: the name`}},
		{"names that become one", map[string]string{"a.b": "1", "a/b": "2"}, []string{`metadata "a/b" is left out: another`}},
		{"too many", many, []string{"room for 64", "room for 64", "room for 64", "room for 64", "room for 64"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mirror("prod", "web", 2)
			s.Meta = tt.meta
			var got []string
			if err := testLayout.reduced(s); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(tt.want) {
				t.Fatalf("%q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tt.want[i]) {
					t.Errorf("%q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
	s := mirror("prod", "web", 2)
	s.Endpoints[1].Host = catalog.ParseHost("127.0.0.1")
	if err := testLayout.reduced(s); err == nil || !strings.Contains(err.Error(), "is left out") {
		t.Errorf("a loopback address: %v", err)
	}
}
