package catalog

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// FuzzParseText holds that an error names a line of the text, and that what was
// read, written out, reads as itself.
func FuzzParseText(f *testing.F) {
	for _, seed := range []string{
		"",
		"# words\n\nservice shop/web ClusterIP ttl=30s version=7\n\taddr 10.0.0.1\n\taddr fd00::1\n\tport http TCP 80 app=http\n\tport \"\" UDP 53\n",
		"service shop/db Headless\n\tendpoint 10.1.1.1 id=a ready serving hostname=web-0 pod=web-0 zone=z node=n weight=1\n\t\tport http TCP 8080\n\t\ttag v1\n\t\tmeta rack=7\n",
		"service shop/x ExternalName\n\talias db.example.org\n\texternal lb.example.org\n\tmeta team=blue\n",
		"service a/b Headless\n\tmark owner=prod of=kubernetes:42 key=shop/web via=consul:dc1 joins format=1\n\tendpoint db.example.org id=\"a b\" terminating warning\n",
		"service \"a b/c\" Headless\n\tmeta \"k=\\\"\"=\"\\n\" \n\tmeta =\n",
		"service a/b Headless\n\tendpoint fe80::1%eth0 id=a\n\tendpoint ::ffff:10.0.0.1\n\tendpoint 010.0.0.1\n",
		"\tport", "service", "service a/b None", "service a/b Headless ttl=-1s", "service a/b Headless\n\tport a b 65536", "service a/b Headless\n\t\ttag",
	} {
		f.Add(seed)
	}
	addHostile(f)
	at := regexp.MustCompile(`^line (\d+): .`)
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseText(text)
		if err != nil {
			m := at.FindStringSubmatch(err.Error())
			if m == nil {
				t.Fatalf("ParseText(%q): %q names no line", text, err)
			}
			if n, _ := strconv.Atoi(m[1]); n < 1 || n > strings.Count(text, "\n")+1 {
				t.Fatalf("ParseText(%q): %q names no line of it", text, err)
			}
			return
		}
		once := textOf(t, all)
		if max := 8*len(text) + 64; len(once) > max {
			t.Errorf("ParseText(%q) is written in %d bytes, at most %d", text, len(once), max)
		}
		again, err := ParseText(once)
		if err != nil {
			t.Fatalf("ParseText(%q), written as %q: %v", text, once, err)
		}
		if diff := cmp.Diff(once, textOf(t, again)); diff != "" {
			t.Errorf("ParseText(%q), written and read (-first +again):\n%s", text, diff)
		}
	})
}

// addHostile seeds the target with what somebody may put into a registry, which is
// what the text is of.
func addHostile(f *testing.F) {
	for _, name := range hostile.Names() {
		q := strconv.Quote(name)
		f.Add("service " + strconv.Quote("shop/"+name) + " Headless\n\tmark owner=" + q + " of=" + q + " key=" + strconv.Quote(name+"/web") + " format=1\n")
		f.Add("service " + strconv.Quote(name+"/web") + " ExternalName\n\talias " + name + "\n\tmeta " + q + "=" + q + "\n\tport " + name + " TCP 80\n")
	}
	for _, host := range hostile.Hosts() {
		f.Add("service shop/web Headless\n\taddr " + host + "\n")
		f.Add("service shop/web Headless\n\tendpoint \"" + host + "\" id=\"" + host + "\" ready serving\n")
	}
	for _, doc := range hostile.Documents() {
		f.Add(doc)
	}
}

func textOf(t *testing.T, all []*Service) string {
	t.Helper()
	var b strings.Builder
	if err := WriteText(&b, all); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestParseHost(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1": "10.0.0.1 true", "10.0.0.1.": "10.0.0.1 true", "FD00::1": "fd00::1 true", "10.0.0.1..": "10.0.0.1.. false",
		"Db.Example.Org.": "db.example.org false", "db..": "db.. false", ".": " false", "": " false", "010.0.0.1": "010.0.0.1 false",
	} {
		h := ParseHost(in)
		if got := h.String() + " " + strconv.FormatBool(h.Addr.IsValid()); got != want {
			t.Errorf("ParseHost(%q) = %s, want %s", in, got, want)
		}
		if again := ParseHost(h.String()); again != h {
			t.Errorf("ParseHost(%q) = %v, read again %v", in, h, again)
		}
	}
}
