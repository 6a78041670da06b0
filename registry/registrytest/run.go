package registrytest

import "testing"

// Run runs every case as a subtest, each on a Place of its own. lacks declares
// the abilities that the registry does not have; cases that need one of them
// are left out.
func Run(t *testing.T, place func(t *testing.T) Place, lacks ...Ability) {
	t.Helper()
}
