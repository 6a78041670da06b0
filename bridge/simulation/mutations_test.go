package simulation

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var mutate = flag.Bool("mutate", false, "also hold that the schedules find each of a list of mistakes")

// mutation is a mistake in the code: was becomes is in a file, which stands once in
// it. It breaks an invariant, and the schedules must say so.
type mutation struct {
	breaks, file, was, is string
}

// mutations has at least one for each invariant that schedules check.
func mutations() []mutation {
	const plan, hold, spending, loop = "bridge/mirror/plan.go", "bridge/mirror/hold.go", "bridge/mirror/spending.go", "bridge/mirror/loop.go"
	return []mutation{
		{"R1: an update is never seen to be needed", plan, "	case want.Same(m):\n		p.Same++", "	case !m.IsZero():\n		p.Same++"},
		{"R1: a write that failed is never tried again", "bridge/mirror/retry.go", "min(firstRetry<<min(tries-1, 20), lastRetry)", "1000 * lastRetry"},
		{"R1: a registry that was lost is not watched again", "registry/supervise.go", "		wait(ctx, min(s.pause.NextBackOff(), most))\n", "		_ = most\n		<-ctx.Done()\n"},
		{"R2: nothing is known of a source and all goes", hold, "	case !from.Synced:\n		return fmt.Sprintf(\"%s is not synced yet\", r.From)\n	case !from.Connected:\n		return fmt.Sprintf(\"%s is not connected\", r.From)\n	case from.Partial", "	case false && from.Partial"},
		{"R2: what cannot be read is taken to be gone", hold, "	case from.Partial != nil:", "	case false:"},
		{"R3: the budget is never exceeded", plan, "	p.holdBudget(w, total, b)", ""},
		{"R3: what was spent is forgotten", spending, "		b.Spent = b.Spent.plus(e.loss)\n", ""},
		{"R3: what may have been done does not count", loop, "o.Err == nil || unsure", "o.Err == nil"},
		{"R3: what is held for a moment goes with what is held for long", spending, "		if !now.Before(end) {", "		if !now.Before(end) || len(refs) > 0 {"},
		{"R4: mirrors are originals", "bridge/mirror/chain.go", "	return m == nil || ", "	return true || m == nil || "},
		{"R5: a name that somebody has is free", plan, "	case m.IsZero() && !by.IsZero():", "	case false:"},
		{"R5: all mirrors of the owner are this rule's", plan, "m.Owner == w.Rule.Owner && ReadFrom(m) == w.Of && m.Format <= catalog.MarkFormat", "m.Owner == w.Rule.Owner"},
		{"R6: what is there is put again", plan, "	case want.Same(m):", "	case false:"},
		{"R7: what a run did not write is not missed by the next", plan, "	case m.IsZero():\n		p.Puts = append(p.Puts, creation(want))", "	case m.IsZero() && len(w.Services) > 0 && p.Same == 0:\n		p.Puts = append(p.Puts, creation(want))\n	case m.IsZero():"},
		{"R8: a loss is not told", "registry/supervise.go", "	s.feed.Connected(err)\n", ""},
		{"R9: an older report overrides a newer one", "registry/memory/watch.go", "		if l.version < c.seen.version {\n			return l, errBehind\n		}\n", "		l.version = c.server.version\n"},
		{"R11: writes do not ask who leads", "registry/memory/write.go", "	case epoch == 0 || fence.epoch != epoch:", "	case epoch == 0 && fence.epoch >= 0:"},
		{"R13: nothing is compared", "registry/memory/watch.go", "const compareIn = 5 * time.Minute", "const compareIn = 5000 * time.Minute"},
		{"R14: one that cannot be held holds up all", plan, "	found := survey(s, w.Rule)\n", "	if len(w.Refused) > 0 {\n		p.Blocked = \"one is refused\"\n		return p\n	}\n	found := survey(s, w.Rule)\n"},
		{"R16: the last instance costs nothing", plan, "	case c.meant, c.Found == nil, c.Want != nil && reached(c.Want) > 0 && !c.replaces():", "	case c.meant, c.Found == nil, c.Want != nil && !c.replaces():"},
		{"R16: a name given to another costs nothing", plan, "reached(c.Want) > 0 && !c.replaces()", "reached(c.Want) > 0"},
		{"R18: a server that became what it was is not read anew", "registry/memory/watch.go", "\tif l.restored != c.seen.restored {\n\t\treturn errRestored\n\t}\n", ""},
	}
}

// TestMutations holds that a mistake which breaks an invariant is found.
func TestMutations(t *testing.T) {
	if !*mutate {
		return
	}
	top, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutations() {
		t.Run(m.breaks, func(t *testing.T) {
			overlay := m.overlay(t, top)
			cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay, "-ldflags=-s -w", "-vet=off", "-failfast", "-timeout=3m", "./bridge/simulation", "-schedules=300")
			cmd.Dir = top
			out, err := cmd.CombinedOutput()
			name, _, _ := strings.Cut(m.breaks, ":")
			switch {
			case err == nil:
				t.Errorf("nobody saw it")
			case bytes.Contains(out, []byte("[build failed]")):
				t.Errorf("it does not compile:\n%s", out)
			case !bytes.Contains(out, []byte(name+" ")) && !bytes.Contains(out, []byte(name+":")):
				t.Logf("seen by another check than %s:\n%s", name, first(out))
			}
		})
	}
}

func first(out []byte) []byte { return out[:min(len(out), 600)] }

// overlay writes the file with the mistake in it, and what has the go command take
// it in place of the right one.
func (m mutation) overlay(t *testing.T, top string) string {
	t.Helper()
	file := filepath.Join(top, filepath.FromSlash(m.file))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.was); n != 1 {
		t.Fatalf("%s has %d times\n%s", m.file, n, m.was)
	}
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong.go")
	list := filepath.Join(dir, "overlay.json")
	text = []byte(strings.Replace(string(text), m.was, m.is, 1))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: wrong}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{wrong: text, list: replace} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(fmt.Errorf("write %q: %w", name, err))
		}
	}
	return list
}
