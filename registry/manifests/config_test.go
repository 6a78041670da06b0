package manifests

import (
	"errors"
	"testing"

	"github.com/isthmus-dns/isthmus/registry/stanza"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ in, origin, err string }{
		{in: "manifests /etc/services", origin: "manifests/services"},
		{in: "manifests local ./x", origin: "manifests/local"},
		{in: "manifests .", origin: "manifests/folder"},
		{in: "manifests x {\n}", origin: "manifests/x"},
		{in: "manifests", err: `Corefile:1: "manifests" wants more words: manifests [NAME] FOLDER`},
		{in: "manifests a b c", err: `Corefile:1: unexpected word "c": manifests [NAME] FOLDER`},
		{in: "manifests x {\n\tdeep\n}", err: `Corefile:2: unknown word "deep": a manifests registry has no options`},
	} {
		all, err := stanza.Parse("Corefile", []byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Type().Parse(all[0], nil)
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("Parse(%q) = %v, want error %s", tt.in, err, tt.err)
			}
			continue
		}
		if err != nil || string(c.Origin()) != tt.origin || !c.Policy().Speaks {
			t.Errorf("Parse(%q) = %v, %v; want origin %s", tt.in, c, err, tt.origin)
			continue
		}
		if _, err := c.Writer("prod", nil); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Writer = %v, want ErrUnsupported", err)
		}
	}
}
