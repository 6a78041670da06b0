package integration

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A command of the stories returns what it has to say. Each can be used as it
// is and behind "until" and "steady".
type command func(ts *testscript.TestScript, args []string) ([]byte, error)

func commands() map[string]command {
	return map[string]command{
		"kube":        kubeCommand,
		"fetch":       fetch,
		"dns":         dns,
		"etcdctl":     program("etcdctl"),
		"isthmus":     program("isthmus"),
		"fingerprint": fingerprint,
		"servers":     serversCommand,
		"many":        many,
		"register":    register,
		"settled":     settled,
		"sameanswers": sameanswers,
		"both":        both,
		"readiness":   readiness,
		"browse":      browse,
		"secured":     secured,
		"keepsecrets": keepsecrets,
		"tried":       tried,
		"besides":     besides,
		"zkcli":       zkcli,
		"znode":       znode,
		"curator":     curator,
	}
}

// scriptCommands are the commands as testscript wants them.
func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){"until": until, "steady": steady}
	for name, c := range commands() {
		all[name] = func(ts *testscript.TestScript, neg bool, args []string) {
			out, err := c(ts, args)
			finish(ts, neg, out, err)
		}
	}
	return all
}

// dns NAME [TYPE] [SERVER] asks the story's DNS server; the answer is one line
// a record, without TTLs, sorted, so that it can be compared.
func dns(ts *testscript.TestScript, args []string) ([]byte, error) {
	if len(args) < 3 {
		args = append(args, "A")[:2]
		args = append(args, ts.Getenv("DNS"))
	}
	return program("isthmus")(ts, []string{"query", args[0], args[1], "@" + args[2]})
}

// program returns the command that runs a program on the story's PATH.
func program(name string) command {
	return func(ts *testscript.TestScript, args []string) ([]byte, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		path := ts.Getenv("BIN") + "/" + name
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Dir = ts.Getenv("WORK")
		for _, v := range []string{"PATH", "HOME", "WORK", "KUBECONFIG", "ETCD", "CONSUL", "ZOOKEEPER", "DNS", "STOCK", "ADMIN", "DEBUG", "READY", "GATED"} {
			cmd.Env = append(cmd.Env, v+"="+ts.Getenv(v))
		}
		cmd.Env = append(cmd.Env, "ETCDCTL_ENDPOINTS="+ts.Getenv("ETCD"))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.String())
		}
		return out, err
	}
}

// until LIMIT [!]REGEXP COMMAND ARGS... runs the command again and again until
// what it prints matches, or with '!' matches no more and it does not fail.
// It fails after LIMIT, and logs how long it took.
func until(ts *testscript.TestScript, neg bool, args []string) {
	limit, pattern, not, run := awaited(ts, neg, args)
	start := time.Now()
	for {
		out, err := run()
		if (pattern.Match(out) != not) && (err == nil || !not) {
			ts.Logf("after %v", time.Since(start).Round(time.Millisecond))
			return
		}
		if time.Since(start) > limit {
			ts.Fatalf("after %v: %s\n%v", limit, out, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// steady TIME [!]REGEXP COMMAND ARGS... demands that what the command prints
// matches, or with '!' does not, all the time.
func steady(ts *testscript.TestScript, neg bool, args []string) {
	limit, pattern, not, run := awaited(ts, neg, args)
	for start := time.Now(); time.Since(start) < limit; time.Sleep(50 * time.Millisecond) {
		if out, err := run(); pattern.Match(out) == not || err != nil && not {
			ts.Fatalf("after %v: %s\n%v", time.Since(start), out, err)
		}
	}
}

func awaited(ts *testscript.TestScript, neg bool, args []string) (time.Duration, *regexp.Regexp, bool, func() ([]byte, error)) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: until|steady TIME [!]REGEXP COMMAND ARGS...")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	text, not := strings.CutPrefix(args[1], "!")
	pattern, err := regexp.Compile("(?m)" + text)
	ts.Check(err)
	c := commands()[args[2]]
	if c == nil {
		ts.Fatalf("no command %q to wait for", args[2])
	}
	return limit, pattern, not, func() ([]byte, error) { return c(ts, args[3:]) }
}

// fingerprint NAMESPACE... prints what only a write changes, as the servers
// count it: etcd's revision, the ModifyIndex of every Consul service and check
// that a bridge owns, and the resourceVersions in the namespaces.
func fingerprint(ts *testscript.TestScript, namespaces []string) ([]byte, error) {
	var b bytes.Buffer
	out, err := program("etcdctl")(ts, []string{"get", "", "--prefix", "--limit=1", "-w", "json"})
	if err != nil {
		return nil, err
	}
	b.Write(regexp.MustCompile(`"revision":\d+`).Find(out))
	b.WriteByte('\n')
	for _, path := range []string{"/v1/health/state/any", "/v1/catalog/nodes"} {
		if err := indexes(&b, ts.Getenv("CONSUL")+path+"?filter=Node+contains+%22story%22"); err != nil {
			return nil, err
		}
	}
	for _, ns := range namespaces {
		for _, kind := range []string{"service", "endpointslice"} {
			path, err := kubePath(kind, ns, "")
			if err != nil {
				return nil, err
			}
			out, err := request(http.MethodGet, ts.Getenv("KUBE")+path, ts.Getenv("KUBE_TOKEN"), "", nil)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "%s %s\n", kind, resourceVersions(out))
		}
	}
	return b.Bytes(), nil
}
