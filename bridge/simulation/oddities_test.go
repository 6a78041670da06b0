package simulation

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// shown is a test on a real server, or on one that answers as it does, by which
// is known that the oddity is one.
type shown struct{ folder, test string }

// oddities are what is modelled of the real registries.
func oddities() map[string][]shown {
	const etcd, consul, kubernetes, zookeeper = "registry/etcd", "registry/consul", "registry/kubernetes", "registry/zookeeper"
	return map[string][]shown{
		"watch cut":                {{"registry/registrytest/proxy", "TestCut"}, {etcd, "TestConformance"}, {consul, "TestConformance"}, {kubernetes, "TestServer"}, {zookeeper, "TestServerDown"}},
		"history forgotten":        {{etcd, "TestCompactionUnderWatch"}, {kubernetes, "TestServer"}},
		"restored":                 {{consul, "TestIndexBackwards"}, {kubernetes, "TestOtherServer"}, {etcd, "TestOtherHistory"}, {zookeeper, "TestRestored"}},
		"stale read":               {{kubernetes, "TestPast"}, {kubernetes, "TestWatchEnds"}},
		"empty answer":             {{consul, "TestEmptyTokenFile"}, {consul, "TestWithoutToken"}},
		"part of it hidden":        {{consul, "TestAccessRules"}, {etcd, "TestAccess"}, {zookeeper, "TestUnreadable"}},
		"change not told":          {{etcd, "TestCompare"}, {kubernetes, "TestCompare"}, {etcd, "TestDrift"}, {zookeeper, "TestCompare"}},
		"write done, answer lost":  {{etcd, "TestUnknownOutcome"}, {consul, "TestUnknownOutcome"}, {zookeeper, "TestConformance"}},
		"write lost":               {{etcd, "TestServerDown"}, {etcd, "TestOutOfReach"}},
		"write arrives late":       {{consul, "TestFenceRefusesDeposed"}, {etcd, "TestFence"}, {zookeeper, "TestUnderWay"}},
		"write raced":              {{etcd, "TestConflictsAreTheirOwn"}, {consul, "TestConformance"}},
		"fence removed":            {{consul, "TestFenceGone"}, {etcd, "TestFence"}, {zookeeper, "TestFenceGone"}},
		"deposed":                  {{consul, "TestFenceRefusesDeposed"}, {etcd, "TestFence"}, {kubernetes, "TestFence"}, {zookeeper, "TestDeposed"}},
		"stall":                    {{"registry/registrytest/proxy", "TestStall"}},
		"malformed record":         {{etcd, "TestMalformedNeighbours"}, {consul, "TestBadAnswers"}, {zookeeper, "TestBadNodes"}},
		"poison":                   {{consul, "TestBadOnesFailAlone"}, {etcd, "TestLarge"}, {zookeeper, "TestTooLarge"}},
		"list fails":               {{etcd, "TestDownAtStart"}, {consul, "TestBadAnswers"}},
		"lease not asked for":      {{etcd, "TestElection"}, {kubernetes, "TestServer"}},
		"elected after another":    {{etcd, "TestElection"}, {kubernetes, "TestServer"}, {"bridge", "TestLeadHandsOver"}},
		"lease taken, answer lost": {{etcd, "TestUnknownOutcome"}},
		"lease removed":            {{etcd, "TestElection"}, {kubernetes, "TestServer"}},
		"another takes over":       {{etcd, "TestClaimWhileWriting"}},
		"newer mark":               {{etcd, "TestConformance"}, {consul, "TestConformance"}, {kubernetes, "TestServer"}},
		"tamper":                   {{etcd, "TestConformance"}, {consul, "TestConformance"}, {kubernetes, "TestServer"}},
		"crash after a write":      {{etcd, "TestUnknownOutcome"}},
		"follower behind":          {{zookeeper, "TestFollower"}},
		"told late by a follower":  {{zookeeper, "TestFollower"}, {zookeeper, "TestWroteBeforeRead"}},
		"remove and set":           {{zookeeper, "TestRecreated"}},
		"another registry":         {{zookeeper, "TestOtherEnsemble"}, {kubernetes, "TestOtherServer"}},
		"not ready":                {{zookeeper, "TestRoundTrip"}, {etcd, "TestRoundTrip"}},

		"write lost, outcome unknown":                  {{zookeeper, "TestCutInBetween"}},
		"late write refused":                           {{zookeeper, "TestUnderWay"}, {etcd, "TestFence"}},
		"fence moved after a write of unknown outcome": {{zookeeper, "TestUnderWay"}},
		"removed and registered within a lull":         {{zookeeper, "TestRegisteredAgain"}, {zookeeper, "TestLull"}},
		"mirror gone with the last ready instance":     {{zookeeper, "TestRoundTrip"}, {etcd, "TestRoundTrip"}},
	}
}

// TestOddities holds that each is met, and that what showed it is still there.
func TestOddities(t *testing.T) {
	met := map[string]bool{}
	for _, what := range mustBeMet() {
		met[what] = true
	}
	tests := map[string]map[string]bool{}
	for what, all := range oddities() {
		if !met[what] {
			t.Errorf("%q is not met by schedules", what)
		}
		for _, by := range all {
			if tests[by.folder] == nil {
				tests[by.folder] = testsIn(t, by.folder)
			}
			if !tests[by.folder][by.test] {
				t.Errorf("%q: there is no %s in %s that showed it", what, by.test, by.folder)
			}
		}
	}
}

// testsIn lists the tests of a folder.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				all[fn.Name.Name] = true
			}
		}
	}
	return all
}

// TestR12 holds that nothing that decides reads a clock as people do: a moment is
// compared with others of this process only, by its monotonic reading, which all
// that is forbidden here takes away.
func TestR12(t *testing.T) {
	if wrong := wallClock(t, "wrong.go", "package p\n\nvar now = time.Now().Round(0)\n"); len(wrong) != 1 {
		t.Errorf("a moment is rounded, and found is %v", wrong)
	}
	for _, folder := range []string{"bridge/mirror", "registry"} {
		files, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, file := range files {
			if matched, _ := filepath.Match("*_test.go", filepath.Base(file)); !matched {
				for _, wrong := range wallClock(t, file, nil) {
					t.Errorf("R12: %s takes the wall clock", wrong)
				}
			}
		}
	}
}

// wallClock returns where a file, or a text in its place, reads the wall clock.
func wallClock(t *testing.T, file string, text any) (wrong []string) {
	t.Helper()
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	wall := []string{"Unix", "UnixMilli", "UnixNano", "UTC", "Local", "In", "Round", "Truncate"}
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && slices.Contains(wall, sel.Sel.Name) {
				wrong = append(wrong, set.Position(call.Pos()).String()+" "+sel.Sel.Name)
			}
		}
		return true
	})
	return wrong
}
