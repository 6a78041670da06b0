package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// attempt is a record by which somebody who may write to a registry tries to have
// a name that is not his.
type attempt struct {
	registry string // consul, etcd or zookeeper
	record   string
	name     string         // that he would have
	address  string         // that it must never answer
	shown    *regexp.Regexp // the line of the status that says why not; nil: it comes in
	as       string         // NAMESPACE/NAME of the Service that it comes in as, which is not that name; "": it does not
	never    bool           // the registry itself does not take it
}

// tried TABLE OWNER writes the records of a table and demands of each that the
// status of the owner's bridge shows it refused, and that its address is answered by
// DNS under no name tried and stands in no EndpointSlice that the bridge wrote. A line is
// REGISTRY | RECORD | NAME | ADDRESS | STATUS, where the last is a regular expression;
// "as NAMESPACE/NAME", which is where its address stands, and nowhere else; or "never"
// for a record that the registry itself refuses. In a record, \x stands for what it does
// in Go.
func tried(ts *testscript.TestScript, args []string) ([]byte, error) {
	all, err := attempts(ts, ts.ReadFile(args[0]))
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if err := a.write(ts); (err != nil) != a.never {
			return nil, fmt.Errorf("write %s %q: %v, want an error: %v", a.registry, a.record, err, a.never)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err = errors.Join(allShown(ts, all), allIn(ts, args[1], all)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			return nil, err
		}
	}
	written, err := writtenBy(ts, args[1])
	if err != nil {
		return nil, err
	}
	taken := 0
	for _, a := range all {
		taken += a.taken(ts, written)
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
		a := attempt{registry: f[0], record: f[1], name: f[2], address: f[3]}
		if as, is := strings.CutPrefix(f[4], "as "); is {
			a.as = as
		} else if f[4] == "never" {
			a.never = true
		} else if a.shown, err = regexp.Compile("(?m)^" + f[4]); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func (a attempt) write(ts *testscript.TestScript) error {
	switch a.registry {
	case "consul":
		_, err := request(http.MethodPut, ts.Getenv("CONSUL")+"/v1/catalog/register", "", "", []byte(a.record))
		return err
	case "zookeeper":
		path, data, _ := strings.Cut(a.record, " ")
		_, err := znode(ts, []string{unescaped(path), unescaped(data)})
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
		if a.shown != nil && !a.shown.Match(out) {
			missing = append(missing, a.registry+" "+a.record+": no line "+a.shown.String())
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not shown:\n%s\nby\n%s", strings.Join(missing, "\n"), out)
	}
	return nil
}

// allIn demands that what comes in under another name stands there.
func allIn(ts *testscript.TestScript, owner string, all []attempt) error {
	written, err := writtenBy(ts, owner)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.as != "" && !slices.Contains(written[a.address], a.as) {
			return fmt.Errorf("%s %s: is not in as %s, but %q", a.registry, a.record, a.as, written[a.address])
		}
	}
	return nil
}

// writtenBy returns by address the Services whose slices the owner's bridge gave it.
func writtenBy(ts *testscript.TestScript, owner string) (map[string][]string, error) {
	at := ts.Getenv("KUBE") + "/apis/discovery.k8s.io/v1/endpointslices?labelSelector=isthmus.dev/owner%3D" + owner
	body, err := request(http.MethodGet, at, ts.Getenv("KUBE_TOKEN"), "", nil)
	if err != nil {
		return nil, err
	}
	var all discoveryv1.EndpointSliceList
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	by := map[string][]string{}
	for _, s := range all.Items {
		for _, e := range s.Endpoints {
			by[e.Addresses[0]] = append(by[e.Addresses[0]], s.Namespace+"/"+s.Labels[discoveryv1.LabelServiceName])
		}
	}
	if len(by) == 0 {
		return nil, fmt.Errorf("%s wrote no EndpointSlice at all", owner)
	}
	return by, nil
}

// taken is 1 if the name answers with the address, or the bridge wrote it where it
// has no business.
func (a attempt) taken(ts *testscript.TestScript, written map[string][]string) int {
	kind := "A"
	if strings.Contains(a.address, ":") {
		kind = "AAAA"
	}
	answer, _ := dns(ts, []string{a.name, kind, ts.Getenv("DNS")}) // that a name does not exist is an answer, too
	if len(answer) == 0 {
		ts.Fatalf("ask for %s: no answer", a.name)
	}
	records := regexp.MustCompile(`(?m)^[^;].*\s` + regexp.QuoteMeta(a.address) + `\.?$`)
	others := slices.DeleteFunc(written[a.address], func(is string) bool { return is == a.as })
	if records.Match(answer) || len(others) > 0 {
		ts.Logf("%s has %s: %s, and in %q", a.name, a.address, answer, others)
		return 1
	}
	return 0
}
