package simulation

import (
	"slices"
	"testing"
)

// mustBeMet lists every fault and every way to recover. One that no schedule came to
// is one that nothing was shown of.
func mustBeMet() []string {
	all := []string{
		// what servers and networks did
		"watch cut", "change not told", "list fails", "stale read", "empty answer", "restored",
		"write lost", "write done, answer lost", "write arrives late", "late write taken", "write raced",
		"follower behind", "follower not asked to catch up", "told late by a follower", "write lost, outcome unknown", "late write refused",
		"lease not asked for", "lease taken, answer lost", "write under way of a leader that is stopped",
		"elected", "elected again", "elected after another",
		"crash", "crash before a write", "crash after a write", "deposed",
		"removed and registered within a lull",
		// what the bridge did about it
		"fence moved after a write of unknown outcome", "fence not moved after a write of unknown outcome",
		"fence moved after a write of unknown outcome, answer lost", "mirror gone with the last ready instance",
		"approved", "a deposed bridge saw it", "restart of a bridge that is fenced off",
		"said: origin lost, what it last reported stands", "said: origin cannot be read yet, and is tried again", "said: origin can be read",
		"said: leading", "said: no longer leading, standing by", "said: standing by until elected", "said: another process leads",
		"said: not elected any more", "said: another writer took over, standing for election anew", "said: no part in the election, will retry",
		"said: nothing is written", "said: writing", "said: put", "said: delete",
		"said: deletion waits", "said: no longer: deletion waits",
		"more services than the limit, few of all instances",
		"said: deletions held", "said: no deletions held by the budget any more", "said: held deletions approved",
		"said: a second read agrees: held deletions go",
		"said: held deletions stay: the second read failed",
		"said: held deletions stay: the second read found another registry, or nothing",
		"said: name taken", "said: no longer: name taken", "said: refused",
		"said: write failed, will retry", "said: no longer: write failed, will retry",
		"found by comparing",
	}
	for _, a := range slices.Concat(changes(), faults()) {
		all = append(all, a.name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// enough schedules come to everything.
const enough = 5000

// wantReached holds that nothing was left out, if there were enough schedules.
func (a *tally) wantReached(t *testing.T) {
	t.Helper()
	t.Logf("%d schedules, %d writes", a.schedules, a.writes)
	for _, what := range mustBeMet() {
		if a.reached[what] == 0 && a.schedules >= enough {
			t.Errorf("no schedule came to %q", what)
		}
		t.Logf("%8d %s", a.reached[what], what)
	}
}
