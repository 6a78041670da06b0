package registrytest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestEachCaseCanFail holds that each case goes red on a registry that is
// broken in the way the case is there for, and not on the same registry whole.
func TestEachCaseCanFail(t *testing.T) {
	all := append(readBreakages(), writeBreakages()...)
	reds := map[string]bool{}
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			wantFailures(t, c, breakage{name: "nothing"}, false)
			for _, b := range all {
				if b.breaks(c.Name) {
					reds[c.Name] = true
					wantFailures(t, c, b, true)
				}
			}
			if !reds[c.Name] {
				t.Errorf("no breakage turns it red")
			}
		})
	}
	wantNamesKnown(t, all)
}

func (b breakage) breaks(name string) bool {
	for _, red := range b.reds {
		if prefix, ok := strings.CutSuffix(red, "*"); red == name || ok && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func wantFailures(t *testing.T, c Case, b breakage, want bool) {
	t.Helper()
	var got []string
	synctest.Test(t, func(t *testing.T) {
		got = failuresOf(t.Context(), c, &brokenPlace{memoryPlace: newMemoryPlace(), breakage: b})
		<-time.After(2 * time.Hour) // of fake time, until what a breakage left behind has ended
	})
	switch {
	case want && len(got) == 0:
		t.Errorf("it passes although broken: %s", b.name)
	case !want && len(got) > 0:
		t.Errorf("it fails although %s is broken:\n%s", b.name, strings.Join(got, "\n"))
	}
}

// wantNamesKnown holds that no breakage names a case that is not there.
func wantNamesKnown(t *testing.T, all []breakage) {
	t.Helper()
	for _, b := range all {
		for _, red := range b.reds {
			known := false
			for _, c := range Cases() {
				known = known || breakage{reds: []string{red}}.breaks(c.Name)
			}
			if !known {
				t.Errorf("breakage %q names the unknown case %q", b.name, red)
			}
		}
	}
}

// TestNames holds that cases can be told apart and are at least 30.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		if seen[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		seen[c.Name] = true
	}
	if len(seen) < 30 {
		t.Errorf("%d cases, want at least 30", len(seen))
	}
}

// TestAbilities holds that an ability must be implemented or declared missing.
func TestAbilities(t *testing.T) {
	for _, tt := range []struct {
		name  string
		place Place
		lacks []Ability
		want  int
	}{
		{"all there", newMemoryPlace(), nil, 0},
		{"all there, a rule apart", newMemoryPlace(), []Ability{Sharing, Fencing}, 0},
		{"there and declared missing", newMemoryPlace(), []Ability{Writing}, 1},
		{"missing and declared", struct{ Place }{newMemoryPlace()}, []Ability{Writing, Cutting, Moving, Forgetting, Namespaces}, 0},
		{"missing, not declared", struct{ Place }{newMemoryPlace()}, []Ability{Writing}, 4},
		{"unknown", newMemoryPlace(), []Ability{"flying"}, 1},
	} {
		r := &recorder{ctx: t.Context()}
		declared(r, tt.place, tt.lacks)
		if len(r.failures) != tt.want {
			t.Errorf("%s: failures = %q, want %d", tt.name, r.failures, tt.want)
		}
	}
}
