package registrytest

import (
	"slices"
	"testing"
)

// Case is one thing that every registry with the abilities it needs must do.
type Case struct {
	Name  string
	Needs []Ability
	Do    func(t T, p Place)
}

// Run runs every case as a subtest, each on a Place of its own. lacks declares
// the abilities that the registry does not have; cases that need one of them
// are left out.
func Run(t *testing.T, place func(t *testing.T) Place, lacks ...Ability) {
	t.Helper()
	t.Run("abilities", func(t *testing.T) { declared(t, place(t), lacks) })
	for _, c := range Cases() {
		if slices.ContainsFunc(c.Needs, func(a Ability) bool { return slices.Contains(lacks, a) }) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) { c.Do(t, place(t)) })
	}
}

// Cases returns all cases, each with a name of its own.
func Cases() []Case {
	return slices.Concat(readCases(), changeCases(), malformedCases(), namespaceCases(), lifeCases(), linkCases(), moveCases(),
		canonCases(), putCases(), deleteCases(), conflictCases(), nativeCases(), ownerCases(), fenceCases(), batchCases(), outcomeCases())
}

// declared holds that an ability is either implemented or declared missing.
func declared(t T, p Place, lacks []Ability) {
	t.Helper()
	has := map[Ability]bool{}
	_, has[Writing] = p.(Writable)
	_, has[Cutting] = p.(Linked)
	_, has[Moving] = p.(Movable)
	_, has[Forgetting] = p.(Forgetful)
	_, has[Namespaces] = p.(Namespaced)
	for a, is := range has {
		if lack := slices.Contains(lacks, a); is == lack {
			t.Errorf("ability %q: implemented %v, declared lacking %v; want one of the two", a, is, lack)
		}
	}
	for _, a := range lacks {
		if !slices.Contains([]Ability{Writing, Cutting, Moving, Forgetting, Namespaces, Sharing, Fencing}, a) {
			t.Errorf("unknown ability %q", a)
		}
	}
}

// writing makes cases of a Writable.
func writing(name string, do func(t T, p Writable), needs ...Ability) Case {
	return Case{name, append([]Ability{Writing}, needs...), func(t T, p Place) {
		t.Helper()
		do(t, p.(Writable))
	}}
}
