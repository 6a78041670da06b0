package integration

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// attempt is a record by which somebody who may write to a registry tries to have
// a name that is not his.
type attempt struct {
	registry string // consul or etcd
	record   string
	name     string         // that he would have
	address  string         // that it must never answer
	shown    *regexp.Regexp // the line of the status that says why not
}

// tried TABLE writes the records of a table and demands of each that the bridge's
// status shows it refused, and that its address is never answered by DNS and in no
// EndpointSlice. A line is REGISTRY | RECORD | NAME | ADDRESS | STATUS, where the
// last is a regular expression; in a record, \x stands for what it does in Go.
func tried(ts *testscript.TestScript, args []string) ([]byte, error) {
	all, err := attempts(ts, ts.ReadFile(args[0]))
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if err := a.write(ts); err != nil {
			return nil, err
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = allShown(ts, all); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, err
		}
	}
	taken := 0
	for _, a := range all {
		taken += a.taken(ts)
	}
	return fmt.Appendf(nil, "names tried %d, taken %d\n", len(all), taken), nil
}

func attempts(ts *testscript.TestScript, table string) (all []attempt, err error) {
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) != 5 {
			return nil, fmt.Errorf("%q: want five fields", line)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		shown, err := regexp.Compile("(?m)^" + f[4])
		if err != nil {
			return nil, err
		}
		all = append(all, attempt{f[0], f[1], f[2], f[3], shown})
	}
	return all, nil
}

func (a attempt) write(ts *testscript.TestScript) error {
	if a.registry == "consul" {
		_, err := request(http.MethodPut, ts.Getenv("CONSUL")+"/v1/catalog/register", "", "", []byte(a.record))
		return err
	}
	key, value, _ := strings.Cut(a.record, " ")
	_, err := program("etcdctl")(ts, []string{"put", "--", "/skydns/local/cluster/" + unescaped(key), unescaped(value)})
	return err
}

// unescaped has control characters where the table cannot.
func unescaped(text string) string {
	return strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\e`, "\x1b", `\a`, "\a").Replace(text)
}

func allShown(ts *testscript.TestScript, all []attempt) error {
	out, err := program("isthmus")(ts, []string{"status", "-admin", ts.Getenv("ADMIN")})
	if err != nil {
		return err
	}
	var missing []string
	for _, a := range all {
		if !a.shown.Match(out) {
			missing = append(missing, a.registry+" "+a.record+": no line "+a.shown.String())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not shown:\n%s\nby\n%s", strings.Join(missing, "\n"), out)
	}
	return nil
}

// taken is 1 if the name answers with the address, in DNS or for kube-proxy.
func (a attempt) taken(ts *testscript.TestScript) int {
	kind := "A"
	if strings.Contains(a.address, ":") {
		kind = "AAAA"
	}
	answer, _ := dns(ts, []string{a.name, kind, ts.Getenv("DNS")}) // that a name does not exist is an answer, too
	records := regexp.MustCompile(`(?m)^[^;].*\s` + regexp.QuoteMeta(a.address) + `\.?$`)
	labels := strings.SplitN(a.name, ".", 3)
	space := ts.Getenv("KUBE") + "/apis/discovery.k8s.io/v1/namespaces/" + labels[1] + "/endpointslices?labelSelector=kubernetes.io/service-name%3D" + labels[0]
	slices, err := request(http.MethodGet, space, ts.Getenv("KUBE_TOKEN"), "", nil)
	if len(answer) == 0 || err != nil && len(labels[0]) < 64 {
		ts.Fatalf("ask for %s: %q, %v", a.name, answer, err)
	}
	if records.Match(answer) || strings.Contains(string(slices), `"`+a.address+`"`) {
		ts.Logf("%s has %s: %s", a.name, a.address, answer)
		return 1
	}
	return 0
}
