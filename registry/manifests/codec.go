package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

// record is one object of a manifest.
type record struct {
	file   string
	line   int // where its document begins
	object metav1.Object
	kind   string
}

// place is how people find the record.
func (r record) place() string { return fmt.Sprintf("%s:%d", r.file, r.line) }

// id is the same for two objects that cannot both be on one API server.
func (r record) id() string {
	return r.kind + " " + r.object.GetNamespace() + "/" + r.object.GetName()
}

// fault is a document that cannot be read.
type fault struct {
	line int
	err  error
}

// parseFile reads the documents of one file: the objects that count, and what
// is wrong with the rest.
func parseFile(name string, text []byte) (all []record, faults []fault) {
	for _, doc := range splitDocuments(text) {
		objects, err := parseDocument(doc)
		if err != nil {
			faults = append(faults, fault{doc.line, err})
		}
		for _, o := range objects {
			o.file, o.line = name, doc.line
			all = append(all, o)
		}
	}
	return all, faults
}

type document struct {
	line int // of its first line that says something
	from int // of its first line
	text []byte
}

// splitDocuments parts a file at the lines that begin with "---". Documents
// that hold comments and white space only are left out.
func splitDocuments(text []byte) []document {
	var all []document
	var now document
	end := func() {
		if now.line > 0 {
			all = append(all, now)
		}
		now = document{}
	}
	for i, line := range bytes.SplitAfter(text, []byte("\n")) {
		if after, ok := bytes.CutPrefix(line, []byte("---")); ok && (len(bytes.TrimSpace(after)) == 0 || after[0] == ' ' || after[0] == '\t') {
			end()
			now.from = i
			// "--- {kind: Service}" and "--- # comment" go on behind the dashes.
			line = append([]byte("   "), after...)
		}
		if said := bytes.TrimSpace(line); now.line == 0 && len(said) > 0 && said[0] != '#' {
			now.line = i + 1
		}
		now.text = append(now.text, line...)
	}
	end()
	return all
}

// parseDocument reads one document: an object or a list of objects. What can
// be read of a list is returned beside the error.
func parseDocument(doc document) ([]record, error) {
	body, err := yaml.YAMLToJSON(doc.text)
	if err != nil {
		return nil, errors.New(doc.inFile(err.Error()))
	}
	return parseObject(body, 0)
}

// inFile turns the parser's "line N" of a document into the file's.
func (doc document) inFile(text string) string {
	text = strings.TrimPrefix(text, "error converting YAML to JSON: ")
	before, after, ok := strings.Cut(text, "line ")
	number, rest, _ := strings.Cut(after, ":")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return text
	}
	return fmt.Sprintf("%sline %d:%s", before, doc.from+n, rest)
}

// maxDepth bounds how deep lists lie in lists.
const maxDepth = 4

func parseObject(body []byte, depth int) ([]record, error) {
	var head struct {
		metav1.TypeMeta
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return nil, errors.New("not an object with apiVersion and kind")
	}
	if head.Kind == "" {
		return nil, errors.New("kind is missing")
	}
	if strings.HasSuffix(head.Kind, "List") && len(head.Kind) >= len("List") {
		return parseList(head.Items, strings.TrimSuffix(head.Kind, "List"), head.APIVersion, depth)
	}
	object := newObject(head.Kind)
	if object == nil {
		return nil, nil
	}
	if want := apiVersion(head.Kind); head.APIVersion != want {
		return nil, fmt.Errorf("%s has apiVersion %q, only %q is read", head.Kind, head.APIVersion, want)
	}
	if err := json.Unmarshal(body, object); err != nil {
		return nil, fmt.Errorf("%s: %w", head.Kind, err)
	}
	if err := checkName(head.Kind, object); err != nil {
		return nil, err
	}
	return []record{{object: object, kind: head.Kind}}, nil
}

// parseList reads the items of a list. Those of a typed list, like
// ServiceList, need not repeat what they are.
func parseList(items []json.RawMessage, kind, version string, depth int) ([]record, error) {
	if depth == maxDepth {
		return nil, errors.New("lists lie too deep in lists")
	}
	var all []record
	var errs []error
	for i, item := range items {
		if kind != "" {
			item = typed(item, kind, version)
		}
		objects, err := parseObject(item, depth+1)
		if err != nil {
			errs = append(errs, fmt.Errorf("item %d: %w", i+1, err))
		}
		all = append(all, objects...)
	}
	return all, errors.Join(errs...)
}

func typed(item json.RawMessage, kind, version string) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(item, &fields) != nil || fields == nil || fields["kind"] != nil {
		return item
	}
	fields["kind"], _ = json.Marshal(kind)
	fields["apiVersion"], _ = json.Marshal(version)
	text, err := json.Marshal(fields)
	if err != nil {
		return item
	}
	return text
}

// newObject returns an empty object of a kind that counts, or nil.
func newObject(kind string) metav1.Object {
	switch kind {
	case "Service":
		return new(corev1.Service)
	case "EndpointSlice":
		return new(discoveryv1.EndpointSlice)
	case "Namespace":
		return new(corev1.Namespace)
	case "Pod":
		return new(corev1.Pod)
	}
	return nil
}

func apiVersion(kind string) string {
	if kind == "EndpointSlice" {
		return "discovery.k8s.io/v1"
	}
	return "v1"
}

// checkName checks what every later step relies on, and fills in the namespace.
func checkName(kind string, o metav1.Object) error {
	if kind == "Namespace" {
		o.SetNamespace("")
	} else if o.GetNamespace() == "" {
		o.SetNamespace(metav1.NamespaceDefault)
	}
	check := validation.IsDNS1123Subdomain
	if kind == "Service" || kind == "Namespace" {
		check = validation.IsDNS1123Label
	}
	if errs := check(o.GetName()); len(errs) > 0 {
		return fmt.Errorf("%s: metadata.name %q: %s", kind, o.GetName(), errs[0])
	}
	if ns := o.GetNamespace(); ns != "" {
		if errs := validation.IsDNS1123Label(ns); len(errs) > 0 {
			return fmt.Errorf("%s %q: metadata.namespace %q: %s", kind, o.GetName(), ns, errs[0])
		}
	}
	return nil
}

// maxFile is how large a manifest may be.
const maxFile = 16 << 20

// readAll reads a manifest that is not too large.
func readAll(from io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err == nil && len(text) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return text, err
}
