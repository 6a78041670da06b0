package differential

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// unseen are the differences of the manual that no answer shows here, and what
// holds them.
func unseen() map[string]string {
	return map[string]string{
		"Before the first sync nothing falls through":          "plugin/isthmus: both sides are synced here",
		"The limits of requests to the API server take effect": "registry/kubernetes, TestInflight",
		"A pod that shares its node's address":                 "plugin/isthmus: *autopath* and metadata are not asked here",
		"A pod that asks for the name of its own namespace":    "plugin/isthmus: *autopath* is not asked here",
		"Names in multicluster zones wait":                     "integration: the story of multicluster zones",
		"`kubernetes/cluster` is set":                          "plugin/isthmus: metadata is not asked here",
		"`ttl` is that of all records":                         "integration, TestExternal: both have the same here",
		"With `fallthrough`, names below `dns.ZONE`":           "plugin/isthmus, TestExternalOptions: no external zone here has it",
		"SERVFAIL comes without an SOA record":                 "plugin/isthmus: SERVFAIL is never equal here",
		"*cache* keeps nothing of zones without `fallthrough`": "plugin/isthmus: there is no *cache* here",
		"A transferred zone has the records that are answered": "plugin/isthmus: nothing is transferred here",
	}
}

// TestManual holds that the manual lists each difference of the table, and that
// the table has each of the manual's.
func TestManual(t *testing.T) {
	listed := manual(t)
	open := map[string]bool{}
	for _, item := range listed {
		open[item] = true
	}
	for _, row := range differences() {
		i := slices.IndexFunc(listed, func(item string) bool { return strings.Contains(item, row.why) })
		if i < 0 {
			t.Errorf("difference %q: the manual does not list %q", row.name, row.why)
			continue
		}
		delete(open, listed[i])
	}
	for item := range open {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(unseen())), func(begin string) bool { return strings.HasPrefix(item, begin) }) {
			t.Errorf("no row of the table is for this difference of the manual: %q", item)
		}
	}
}

// manual returns the differences from the kubernetes and k8s_external plugins
// of the manual's section Differences, each on one line.
func manual(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../plugin/isthmus/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## Differences\n")
	section, _, ended := strings.Cut(after, "\n## ")
	if !found || !ended {
		t.Fatal("the manual has no section Differences")
	}
	section, _, _ = strings.Cut(section, "\nFrom Consul")
	section, outer, two := strings.Cut(section, "\nFrom *k8s_external*")
	if !two {
		t.Fatal("the manual has no differences from k8s_external")
	}
	var items []string
	for _, item := range slices.Concat(strings.Split(section, "\n* ")[1:], strings.Split(outer, "\n* ")[1:]) {
		items = append(items, strings.Join(strings.Fields(item), " "))
	}
	return items
}
