package main

import (
	"errors"
	"testing"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
)

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name string
		plan mirror.Plan
		want int
	}{
		{"nothing", mirror.Plan{}, 0},
		{"taken only", mirror.Plan{Taken: []mirror.Finding{{Why: "a native service has the name"}}}, 0},
		{"put", mirror.Plan{Puts: []mirror.Change{{}}}, 2},
		{"delete", mirror.Plan{Deletes: []mirror.Change{{}}}, 2},
		{"held", mirror.Plan{Held: []mirror.Change{{}}}, 2},
		{"blocked", mirror.Plan{Blocked: "no", Puts: []mirror.Change{{}}}, 1},
	} {
		tt.plan.Rule = &mirror.Rule{}
		err := verdict([]*mirror.Plan{&tt.plan})
		got := 0
		var exit exitError
		switch {
		case errors.As(err, &exit):
			got = exit.status
		case err != nil:
			got = 1
		}
		if got != tt.want {
			t.Errorf("%s: exit status %d, want %d", tt.name, got, tt.want)
		}
	}
}
