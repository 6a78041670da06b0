package simulation

import "testing"

// regressions are seeds that once failed, by what was wrong then. What they play
// changes with what is drawn; each bug has a test of its own beside the code, too.
func regressions() map[string][]uint64 {
	return map[string][]uint64{
		"R16: a put left a service empty while its source was read in part":               {429, 450},
		"R2: a name went to another original while the first one's registry seemed empty": {352, 1327},
		"R3: deletions whose answers were lost did not count":                             {522},
		"R3: what was held for a moment was let go with what was held for long":           {349, 362, 771},
		"R2: what a second read still had went with what it had no more":                  {16080},
		"R1: a claim made anew by one rule fenced off another's writes":                   {75},
		"R9: a leader put what it heard before it was elected over what is newer":         {12804},
	}
}

// TestRegressions holds that what was mended stays so.
func TestRegressions(t *testing.T) {
	for what, seeds := range regressions() {
		for _, s := range seeds {
			for _, wrong := range play(t, s, nil).wrong {
				t.Errorf("seed %d, %s: %s", s, what, wrong)
			}
		}
	}
}
