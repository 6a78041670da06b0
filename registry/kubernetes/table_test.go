package kubernetes

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

// TestTableTellsFirst holds that a change is told before it can be seen: a
// writer whose answer comes after the event of its own write finds the table as
// it should be, and reports what it was told of.
func TestTableTellsFirst(t *testing.T) {
	var table *table[*namespace]
	told := 0
	table = newTable[*namespace](nil, func(types.NamespacedName) {
		told++
		if table.mu.TryLock() {
			table.mu.Unlock()
			t.Error("told when others could see the change already")
		}
	})
	for _, step := range []string{"put a/x=1", "drop a/x=2", "put a/x=3", "bury a/x=3", "list a/y=5 @5"} {
		do(table, strings.Fields(step))
	}
	if told != 5 {
		t.Errorf("told %d times, want 5", told)
	}
}

// TestTable has the rows of the table's comment. A step is a word and
// name=version pairs.
func TestTable(t *testing.T) {
	for _, tt := range []struct {
		name, steps, want string
		told              string // groups told by the last step
	}{
		{"an object comes", "put a/x=1", "a/x=1", "a/x"},
		{"a newer one", "put a/x=1; put a/x=10", "a/x=10", "a/x"},
		{"the same again", "put a/x=1; put a/x=1", "a/x=1", ""},
		{"an older one", "put a/x=10; put a/x=9", "a/x=10", ""},
		{"a deletion", "put a/x=1; drop a/x=2", "", "a/x"},
		{"an older deletion", "put a/x=10; drop a/x=9", "a/x=10", ""},
		{"a deletion of what was never seen", "drop a/x=9", "", ""},
		{"own deletion, then what was before", "put a/x=5; bury a/x=5; put a/x=5", "", ""},
		{"own deletion, then one made again", "put a/x=5; bury a/x=5; put a/x=6", "a/x=6", "a/x"},
		{"own deletion, its event, then one made again", "put a/x=5; bury a/x=5; drop a/x=6; put a/x=7", "a/x=7", "a/x"},
		{"own deletion of what changed meanwhile", "put a/x=6; bury a/x=5", "a/x=6", ""},
		{"a list", "put a/x=1; put a/y=2; list a/y=2 a/z=3 @5", "a/y=2 a/z=3", "a/x a/z"},
		{"a list older than an own write", "put a/x=8; list a/y=2 @5", "a/x=8 a/y=2", "a/y"},
		{"a list older than an own deletion", "put a/x=5; bury a/x=5; list a/x=5 @5", "", ""},
		{"a list newer than an own deletion", "put a/x=5; bury a/x=5; list @9; put a/x=5", "a/x=5", "a/x"},
		{"a list that shows what was before", "put a/x=8; list a/x=3 @9", "a/x=3", "a/x"},
		{"an older list that does", "put a/x=8; list a/x=3 @5", "a/x=8", ""},
		{"a first list", "list a/y=2 b/x=1 a/x=3 @5", "a/x=3 a/y=2 b/x=1", "a/x a/y b/x"},
		{"a first list that has one twice", "list a/y=2 a/x=3 a/x=4 a/x=2 @5", "a/x=4 a/y=2", "a/x a/x a/x a/y"},
		{"a first list after an own deletion", "bury a/x=5; list a/x=4 @3", "", ""},
		{"a list of another namespace", "put b/x=1; list a/y=2 @5", "a/y=2 b/x=1", "a/y"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var told []string
			table := newTable[*namespace](nil, func(name types.NamespacedName) { told = append(told, name.String()) })
			for step := range strings.SplitSeq(tt.steps, "; ") {
				told = nil
				do(table, strings.Fields(step))
			}
			var got []string
			for _, name := range table.names() {
				got = append(got, name.String()+"="+fmt.Sprint(table.get(name).version))
			}
			slices.Sort(got)
			slices.Sort(told)
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.told, strings.Join(told, " ")); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTableFill holds that a first list makes what its objects make one by one,
// groups and all.
func TestTableFill(t *testing.T) {
	empty := func() *table[*slice] {
		return newTable(func(s *slice) string { return s.of }, func(types.NamespacedName) {})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		atOnce, oneByOne := empty(), empty()
		var all []*slice
		for i := range random.IntN(30) {
			s := testSlice(fmt.Sprintf("g%d-s%d", random.IntN(5), 31*i%30), fmt.Sprintf("g%d", random.IntN(5)))
			all = append(all, s)
			oneByOne.put(s)
		}
		atOnce.replace(func(types.NamespacedName) bool { return true }, slices.Clone(all), 9)
		if diff := cmp.Diff(namesOf(oneByOne.list()), namesOf(atOnce.list())); diff != "" {
			t.Fatalf("(-one by one +at once):\n%s", diff)
		}
		for _, s := range all {
			group := atOnce.groupOf(s)
			if got := atOnce.of(group); !slices.Equal(oneByOne.of(group), got) {
				t.Fatalf("group %v is %v", group, namesOf(got))
			}
			if got := atOnce.get(s.identity().name); got == nil {
				t.Fatalf("%v is not found", s.identity().name)
			}
		}
	}
}

// tableAfter is a table after some steps.
func tableAfter(steps string) *table[*namespace] {
	table := newTable[*namespace](nil, func(types.NamespacedName) {})
	for step := range strings.SplitSeq(steps, "; ") {
		do(table, strings.Fields(step))
	}
	return table
}

// listed reads name=version pairs.
func listed(text string) map[types.NamespacedName]uint64 {
	all := map[types.NamespacedName]uint64{}
	for _, o := range tableAfter("list " + text).allLocked() {
		all[o.name] = o.version
	}
	return all
}

func inA(name types.NamespacedName) bool { return name.Namespace == "a" }

func do(table *table[*namespace], words []string) {
	var all []*namespace
	version := uint64(0)
	for _, w := range words[1:] {
		if rv, ok := strings.CutPrefix(w, "@"); ok {
			version = versionNumber(rv)
			continue
		}
		name, rv, _ := strings.Cut(w, "=")
		ns, name, _ := strings.Cut(name, "/")
		all = append(all, &namespace{id{types.NamespacedName{Namespace: ns, Name: name}, versionNumber(rv)}})
	}
	switch words[0] {
	case "put":
		table.put(all[0])
	case "drop":
		table.drop(all[0].name, all[0].version)
	case "bury":
		table.bury(all[0].name, all[0].version)
	case "list":
		table.replace(inA, all, version)
	case "keep":
		table.keepGone(true)
	}
}
