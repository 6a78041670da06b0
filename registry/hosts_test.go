package registry

import (
	"errors"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

func parseHosts(t *testing.T, text string) (Hosts, error) {
	t.Helper()
	all, err := stanza.Parse("file", []byte("x {\n"+text+"\n}"))
	if err != nil {
		t.Fatal(err)
	}
	var h Hosts
	for _, o := range all[0].Block {
		if is, err := h.Option(o); !is || err != nil {
			return h, err
		}
	}
	return h, nil
}

// TestHosts holds which hosts the words let through.
func TestHosts(t *testing.T) {
	h, err := parseHosts(t, "allow_cidr 10.0.0.0/8 fd00::/8\ndeny_cidr 10.96.0.0/16\nallow_names example.org. Internal")
	if err != nil {
		t.Fatal(err)
	}
	for host, why := range map[string]string{
		"10.0.0.1": "", "fd00::1": "", "10.96.1.1": "deny_cidr", "192.0.2.1": "allow_cidr", "2001:db8::1": "allow_cidr",
		"example.org": "", "a.B.Example.ORG.": "", "x.internal": "", "badexample.org": "allow_names", "example.org.evil.net": "allow_names", "": "allow_names",
	} {
		err := h.Check(catalog.ParseHost(host))
		if why == "" && err != nil || why != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), why)) {
			t.Errorf("Check(%q) = %v, want %q", host, err, why)
		}
		if err := new(Hosts).Check(catalog.ParseHost(host)); err != nil {
			t.Errorf("without words, Check(%q) = %v", host, err)
		}
	}
	if got, want := h.String(), " allow_cidr=10.0.0.0/8,fd00::/8 deny_cidr=10.96.0.0/16 allow_names=example.org,internal"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	for _, wrong := range []string{"allow_cidr", "deny_cidr 10.0.0.1", "deny_cidr 10.0.0.1/8", "allow_names", "allow_names *.example.org", "allow_names ."} {
		if _, err := parseHosts(t, wrong); err == nil || !strings.HasPrefix(err.Error(), "file:2: ") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
