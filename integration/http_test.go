package integration

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"
)

// client speaks to the servers as their users' tools would, without knowing
// any library of theirs. The API server signs its own certificate.
func client() *http.Client {
	return &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
}

func request(method, url, token, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, strings.TrimSpace(string(out)))
	}
	return out, err
}

// object is what the path of a Kubernetes object is made of.
type object struct {
	Kind     string
	Metadata struct{ Namespace, Name string }
}

// kubePath returns the object's path, with an empty name the collection's.
func kubePath(kind, namespace, name string) (string, error) {
	group := map[string]string{
		"namespace": "/api/v1/namespaces", "service": "/api/v1/namespaces/" + namespace + "/services",
		"event": "/api/v1/namespaces/" + namespace + "/events",
		"pod":   "/api/v1/namespaces/" + namespace + "/pods", "node": "/api/v1/nodes",
		"endpointslice":            "/apis/discovery.k8s.io/v1/namespaces/" + namespace + "/endpointslices",
		"serviceimport":            "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/" + namespace + "/serviceimports",
		"serviceexport":            "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/" + namespace + "/serviceexports",
		"customresourcedefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
	}[strings.ToLower(kind)]
	if group == "" {
		return "", fmt.Errorf("no path for kind %q", kind)
	}
	return strings.TrimSuffix(group+"/"+name, "/"), nil
}

// kubeCommand: kube apply FILE | status FILE | delete KIND NAMESPACE NAME | get
// KIND NAMESPACE [NAME]. A status is what kubelets write. What it gets is JSON,
// indented.
func kubeCommand(ts *testscript.TestScript, args []string) ([]byte, error) {
	if len(args) < 2 {
		ts.Fatalf("usage: kube apply|status FILE | delete KIND NAMESPACE NAME | get KIND NAMESPACE [NAME]")
	}
	base, token := ts.Getenv("KUBE"), ts.Getenv("KUBE_TOKEN")
	switch args[0] {
	case "apply":
		return nil, kubeApply(base, token, ts.ReadFile(args[1]), "")
	case "status":
		return nil, kubeApply(base, token, ts.ReadFile(args[1]), "/status")
	}
	name := ""
	if len(args) > 3 {
		name = args[3]
	}
	path, err := kubePath(args[1], args[2], name)
	if err != nil {
		return nil, err
	}
	method := map[string]string{"delete": http.MethodDelete, "get": http.MethodGet}[args[0]]
	out, err := request(method, base+path, token, "", nil)
	return indented(out), err
}

// kubeApply applies every object of a file, or what part names of each.
func kubeApply(base, token, text, part string) error {
	for _, doc := range strings.Split("\n"+text, "\n---") {
		var o object
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			return err
		}
		path, err := kubePath(o.Kind, o.Metadata.Namespace, o.Metadata.Name)
		if err != nil {
			return err
		}
		url := base + path + part + "?fieldManager=story&force=true"
		if _, err := request(http.MethodPatch, url, token, "application/apply-patch+yaml", []byte(doc)); err != nil {
			return err
		}
	}
	return nil
}

// fetch METHOD URL [BODYFILE] prints the answer, JSON indented.
func fetch(ts *testscript.TestScript, args []string) ([]byte, error) {
	var body []byte
	if len(args) > 2 {
		body = []byte(os.Expand(ts.ReadFile(args[2]), ts.Getenv))
	}
	out, err := request(args[0], args[1], "", "", body)
	return indented(out), err
}

// indexes appends a line with name and ModifyIndex for each element of a list
// that Consul returns.
func indexes(b *bytes.Buffer, url string) error {
	out, err := request(http.MethodGet, url, "", "", nil)
	if err != nil {
		return err
	}
	var all []struct {
		Node, ServiceID, CheckID string
		ModifyIndex              uint64
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return err
	}
	var lines []string
	for _, x := range all {
		lines = append(lines, fmt.Sprintf("%s %s %s %d\n", x.Node, x.ServiceID, x.CheckID, x.ModifyIndex))
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(lines, ""))
	return nil
}

// resourceVersions returns those of the objects in a list, in the list's order.
func resourceVersions(list []byte) string {
	var l struct {
		Items []struct {
			Metadata struct{ Name, ResourceVersion string }
		}
	}
	if err := json.Unmarshal(list, &l); err != nil {
		return err.Error()
	}
	var all []string
	for _, i := range l.Items {
		all = append(all, i.Metadata.Name+"="+i.Metadata.ResourceVersion)
	}
	return strings.Join(all, " ")
}

func indented(in []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, in, "", "  ") != nil {
		return in
	}
	return append(b.Bytes(), '\n')
}

// finish prints what a command has to say and judges whether it may fail.
func finish(ts *testscript.TestScript, neg bool, out []byte, err error) {
	_, _ = ts.Stdout().Write(out)
	switch {
	case err != nil && !neg:
		ts.Fatalf("%v", err)
	case err == nil && neg:
		ts.Fatalf("unexpected success")
	case err != nil:
		fmt.Fprintln(ts.Stderr(), err)
	}
}
