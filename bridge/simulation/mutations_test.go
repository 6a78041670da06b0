package simulation

import (
	"bytes"
	"flag"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

var mutate = flag.Bool("mutate", false, "also hold that the schedules find each of a list of mistakes")

// mutation is a mistake in the code: was becomes is in a function of a file, where
// it stands once. It breaks an invariant, and the schedules must say so, or a test of
// what it is made in where the invariant is none of the bridge's.
type mutation struct {
	breaks, file, was, is string
}

// suite is what must say so: a test program, and what it is called with.
func (m mutation) suite() (folder string, args []string) {
	if strings.HasPrefix(m.file, "plugin/") {
		return path.Dir(m.file), []string{"-test.run=^TestNotSynced$"}
	}
	return "bridge/simulation", []string{"-schedules=2000"}
}

// mutations has at least one for each invariant that schedules check.
func mutations() []mutation {
	const plan, hold, spending, loop = "bridge/mirror/plan.go", "bridge/mirror/hold.go", "bridge/mirror/spending.go", "bridge/mirror/loop.go"
	return []mutation{
		{"R1: an update is never seen to be needed", plan, "	case want.Same(m):\n		p.Same++", "	case !m.IsZero():\n		p.Same++"},
		{"R1: a write that failed is never tried again", "bridge/mirror/retry.go", "min(firstRetry<<min(tries-1, 20), lastRetry)", "1000 * lastRetry"},
		{"R1: a registry that was lost is not watched again", "registry/supervise.go", "		_ = Pause(ctx, min(s.pause.NextBackOff(), most)) // as above\n", "		_ = most\n		<-ctx.Done()\n"},
		{"R1: a mirror stays that is not to be there, since the target holds none such", "bridge/mirror/desired.go", "		case err != nil:\n			err = partRefused{err}\n", "		case err == nil:\n			err = partRefused{errNotLet}\n		default:\n			err = partRefused{err}\n"},
		{"R2: nothing is known of a source and all goes", hold, "	case !from.Synced:\n		return fmt.Sprintf(\"%s is not synced yet\", r.From)\n	case !from.Connected:\n		return fmt.Sprintf(\"%s is not connected\", r.From)\n	case from.Partial", "	case false && from.Partial"},
		{"R2: what cannot be read is taken to be gone", hold, "	case from.Partial != nil:", "	case false:"},
		{"R2: nothing is said to be there while everything is read anew", "registry/memory/watch.go", "	c.synced = false\n", "	c.synced = false\n	feed.Replace(nil)\n"},
		{"R2: a service that has lost its last instance is gone at once", "registry/memory/lull.go", "		if !c.lull.told[ref] {", "		if ref.Name != \"\" {"},
		{"R3: the budget is never exceeded", plan, "	p.holdBudget(w, total, b)", "	_, _ = total, b"},
		{"R3: a percentage is of more than there is", "bridge/mirror/rule.go", "loss.Instances*100 > l.Percent*total", "loss.Instances*100 > l.Percent*(10*total)"},
		{"R3: what was spent is forgotten", spending, "		b.Spent = b.Spent.plus(e.loss)\n", ""},
		{"R3: what may have been done does not count", loop, "o.Err == nil || unsure", "o.Err == nil"},
		{"R3: a new term of leading forgets what was spent", loop, "	l.budget = spending{spent: l.budget.spent}\n", "	l.budget = spending{}\n"},
		{"R3: what is held for a moment goes with what is held for long", spending, "		if !now.Before(end) {", "		if !now.Before(end) || len(refs) > 0 {"},
		{"R4: mirrors are originals", "bridge/mirror/chain.go", "	return m == nil || ", "	return true || m == nil || "},
		{"R5: a name that somebody has is free", plan, "	case m.IsZero() && !by.IsZero():", "	case false:"},
		{"R5: all mirrors of the owner are this rule's", plan, "m.Owner == w.Rule.Owner && ReadFrom(m) == w.Of && m.Format <= catalog.MarkFormat", "m.Owner == w.Rule.Owner"},
		{"R6: what is there is put again", plan, "	case want.Same(m):", "	case false:"},
		{"R7: what a run did not write is not missed by the next", plan, "	case m.IsZero():\n		p.Puts = append(p.Puts, creation(want))", "	case m.IsZero() && len(w.Services) > 0 && p.Same == 0:\n		p.Puts = append(p.Puts, creation(want))\n	case m.IsZero():"},
		{"R8: a loss is not told", "registry/supervise.go", "	s.feed.Connected(err)\n", ""},
		{"R9: an older report overrides a newer one", "registry/memory/ways.go", "	if l.version < c.seen.version {\n		return l, errBehind\n	}\n", "	l.version = c.server.version\n"},
		{"R9: a server that is behind is not asked to catch up", "registry/memory/ways.go", "	c.synced = true\n", ""},
		{"R9: who is elected writes by what it heard before", loop, "	l.heard = l.heard || s.State(l.rule.From).Connected\n", "	l.heard = true\n"},
		{"R10: what may be in an origin that was not read does not exist", "plugin/isthmus/answer.go", "	if v.snap.Pending(ns) {", "	if v == nil {"},
		{"R11: writes do not ask who leads", "registry/memory/write.go", "	case epoch == 0 || fence.epoch != epoch:", "	case epoch == 0 && fence.epoch >= 0:"},
		{"R11: who is elected does not move the fence", "bridge/mirror/target.go", "t.lost = nil, true, false, nil", "t.lost = nil, false, false, nil"},
		{"R11: a number that comes again tells who leads", "registry/memory/write.go", "	s.epoch = max(is.epoch, last, s.version, s.epoch) + 1\n", "	s.epoch = is.epoch + 1\n"},
		{"R11: what is under way when a connection is lost stays so", "registry/memory/unsure.go", "c.unsure && c.server.ways.Unsure", "false && c.unsure"},
		{"R13: nothing is compared", "registry/memory/watch.go", "time.NewTicker(compareIn)", "time.NewTicker(1000 * compareIn)"},
		{"R14: one that cannot be held holds up all", plan, "	found := survey(s, w.Rule)\n", "	if len(w.Refused) > 0 {\n		p.Blocked = \"one is refused\"\n		return p\n	}\n	found := survey(s, w.Rule)\n"},
		{"R16: the last instance costs nothing", plan, "	case c.meant, c.Found == nil, c.Want != nil && reached(c.Want) > 0 && !c.replaces():", "	case c.meant, c.Found == nil, c.Want != nil && !c.replaces():"},
		{"R16: a name given to another costs nothing", plan, "reached(c.Want) > 0 && !c.replaces()", "reached(c.Want) > 0"},
		{"R18: nobody looks which registry it is that answers", "registry/memory/watch.go", "	feed.Identify(id)\n", "	feed.Identify(c.server.identity)\n"},
		{"R18: a server that became what it was is not read anew", "registry/memory/watch.go", "\tif l.restored != c.seen.restored {\n\t\treturn errRestored\n\t}\n", ""},
	}
}

// TestMutations holds that a mistake which breaks an invariant is found. All are
// built into one program for each suite, and each is made in a run of its own.
func TestMutations(t *testing.T) {
	if !*mutate {
		return
	}
	top, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	all, programs := mutations(), map[string]string{}
	mistakes := overlay(t, top, all)
	for n, m := range all {
		folder, args := m.suite()
		if programs[folder] == "" {
			programs[folder] = buildMutants(t, top, mistakes, folder)
		}
		t.Run(m.breaks, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), programs[folder], append(args, "-test.failfast", "-test.timeout=3m")...)
			cmd.Dir = filepath.Join(top, folder)
			cmd.Env = append(cmd.Environ(), mutant(n))
			out, err := cmd.CombinedOutput()
			name, _, _ := strings.Cut(m.breaks, ":")
			switch {
			case err == nil:
				t.Errorf("nobody saw it")
			case !bytes.Contains(out, []byte("--- FAIL")) && !bytes.Contains(out, []byte("panic: ")):
				t.Errorf("it ended by another cause: %v\n%s", err, first(out))
			case !bytes.Contains(out, []byte(name+" ")) && !bytes.Contains(out, []byte(name+":")):
				t.Logf("seen by another check than %s:\n%s", name, first(out))
			}
		})
	}
}

// buildMutants builds the tests of a folder, with all mistakes in what they test.
func buildMutants(t *testing.T, top, mistakes, folder string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "mutants.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "-overlay", mistakes, "-ldflags=-s -w", "./"+folder)
	build.Dir = top
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build all mistakes into %s: %v\n%s", folder, err, out)
	}
	return program
}

func first(out []byte) []byte { return out[:min(len(out), 600)] }
