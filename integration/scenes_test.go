package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// serversCommand: servers stop|start consul|etcd|zookeeper|kubernetes. Data and
// ports stay; a ZooKeeper is there from its first start, and the API server is
// shut off from this story alone, which reaches it by the kubeconfig $GATED. servers stall|heal kubernetes keeps waiting what goes there,
// and lets it go.
func serversCommand(ts *testscript.TestScript, args []string) ([]byte, error) {
	if len(args) != 2 {
		ts.Fatalf("usage: servers stop|start consul|etcd|zookeeper|kubernetes")
	}
	s := ts.Value(storyKey{}).(*story)
	switch strings.Join(args, " ") {
	case "stall kubernetes":
		s.gate.Stall()
		return nil, nil
	case "heal kubernetes":
		s.gate.Heal()
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if args[1] == "zookeeper" && s.zookeeper == nil {
		return nil, s.startZooKeeper(ctx, ts)
	}
	server := map[string]interface {
		Halt() error
		Restart(context.Context) error
	}{"consul": s.consul, "etcd": s.etcd, "zookeeper": s.zookeeper, "kubernetes": s.gate}[args[1]]
	if args[0] == "stop" {
		return nil, server.Halt()
	}
	return nil, server.Restart(ctx)
}

// many FILE COUNT writes a namespace "many" with that many headless Services
// of three endpoints each, and the namespace "many-in".
func many(ts *testscript.TestScript, args []string) ([]byte, error) {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("apiVersion: v1\nkind: Namespace\nmetadata: {name: many}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: many-in}\n")
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, `---
apiVersion: v1
kind: Service
metadata: {name: svc-%[1]d, namespace: many}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: svc-%[1]d-a, namespace: many, labels: {kubernetes.io/service-name: svc-%[1]d}}
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints:
- {addresses: [10.245.%[1]d.1], conditions: {ready: true}}
- {addresses: [10.245.%[1]d.2], conditions: {ready: true}}
- {addresses: [10.245.%[1]d.3], conditions: {ready: false}}
`, i)
	}
	return nil, os.WriteFile(ts.MkAbs(args[0]), b.Bytes(), 0o600)
}

// register COUNT registers that many services in Consul, "in-1" and so on.
func register(ts *testscript.TestScript, args []string) ([]byte, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	for i := 1; i <= n; i++ {
		body := fmt.Sprintf(`{"Name":"in-%d","Address":"10.40.0.%d","Port":5432}`, i, i)
		if _, err := request(http.MethodPut, ts.Getenv("CONSUL")+"/v1/agent/service/register", "", "", []byte(body)); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// settled CONF returns once three plans in a row, read from the live
// registries, have nothing to do.
func settled(ts *testscript.TestScript, args []string) ([]byte, error) {
	var last error
	for quiet, deadline := 0, time.Now().Add(30*time.Second); quiet < 3; {
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("not settled: %w", last)
		}
		if _, last = program("isthmus")(ts, []string{"plan", "-conf", args[0]}); last == nil {
			quiet++
			continue
		}
		quiet = 0
	}
	return nil, nil
}

// sameanswers FILE FILE demands that two answers hold the same addresses and
// the same ports, be the order, the targets' names and the TTLs what they may.
func sameanswers(ts *testscript.TestScript, args []string) ([]byte, error) {
	ours, theirs := facts(ts.ReadFile(args[0])), facts(ts.ReadFile(args[1]))
	if len(ours) == 0 || !slices.Equal(ours, theirs) {
		return nil, fmt.Errorf("answers differ: %v, %v", ours, theirs)
	}
	return nil, nil
}

// both NAME [TYPE] asks the story's DNS server and the stock one. It demands
// that their answers are the same, but for the order of the records and the SOA
// record of a denial, and prints ours.
func both(ts *testscript.TestScript, args []string) ([]byte, error) {
	args = append(args, "A")[:2]
	ours, theirs := askAt(ts, args, "DNS"), askAt(ts, args, "STOCK")
	if len(ours) == 0 || !slices.Equal(ours, theirs) {
		return nil, fmt.Errorf("answers differ:\nours   %s\ntheirs %s", strings.Join(ours, "\n       "), strings.Join(theirs, "\n       "))
	}
	return []byte(strings.Join(ours, "\n") + "\n"), nil
}

// askAt returns the lines of an answer, sorted; none if there is no answer.
func askAt(ts *testscript.TestScript, question []string, server string) []string {
	// That a name does not exist is an answer, too.
	out, _ := dns(ts, append(slices.Clone(question), ts.Getenv(server)))
	var all []string
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "\tSOA\t") {
			line, _, _ = strings.Cut(line, ", server: ")
			all = append(all, strings.TrimSpace(line))
		}
	}
	slices.Sort(all)
	return all
}

// facts are the addresses of an answer, glue included, and its SRV ports.
func facts(answer string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?m)\sIN\s+(A|AAAA)\s+(\S+)$|\sIN\s+(SRV)\s+\d+\s+\d+\s+(\d+)\s`).FindAllStringSubmatch(answer, -1) {
		all = append(all, strings.Join(m[1:], " "))
	}
	slices.Sort(all)
	return all
}

// readiness FILE ADDRESS true|false demands that the EndpointSlices in FILE
// hold the address with that readiness.
func readiness(ts *testscript.TestScript, args []string) ([]byte, error) {
	var list struct {
		Items []struct {
			Endpoints []struct {
				Addresses  []string
				Conditions struct{ Ready *bool }
			}
		}
	}
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &list); err != nil {
		return nil, err
	}
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if slices.Contains(e.Addresses, args[1]) {
				if ready := e.Conditions.Ready == nil || *e.Conditions.Ready; strconv.FormatBool(ready) != args[2] {
					return nil, fmt.Errorf("%s: ready %v, want %s", args[1], ready, args[2])
				}
				return nil, nil
			}
		}
	}
	return nil, fmt.Errorf("no endpoint %s", args[1])
}
