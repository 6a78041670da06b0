package integration

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// answers is what each line that the demo prints must bring, in its order. A
// line that changes something brings anything; what follows it shows the change
// within a second.
var answers = []string{
	`A\t10\.96\.0\.80`,
	`A\t10\.244\.1\.10(.|\n)*10\.244\.2\.10(.|\n)*10\.244\.3\.10`,
	`SRV\t0 \d+ 8080 `,
	`"host":"10\.244\.1\.10"`,
	`OK`,
	`A\t10\.30\.0\.9`,
	``,
	`A\t10\.244\.3\.11`,
	`"host":"10\.244\.3\.11"`,
	`"ServiceAddress":"10\.244\.3\.11"`,
	``,
	`A\t10\.20\.0\.7`,
	`SRV\t0 \d+ 5432 `,
}

// TestDemo runs the demo as a newcomer does and types every line that it
// prints, in order, then ends it as by Ctrl-C: nothing is left behind.
func TestDemo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	bin := t.TempDir()
	for _, p := range []string{"demo", "isthmus"} {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(bin, p), "../build/"+p)
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make does, so that it is compiled once
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", p, err, out)
		}
	}
	if ctl, err := servers.Build(ctx, servers.Etcdctl, progress); err != nil {
		t.Fatal(err)
	} else if err := os.Symlink(ctl, filepath.Join(bin, "etcdctl")); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	d := startDemo(t, filepath.Join(bin, "demo"), tmp)
	typeLines(ctx, t, d.until(t, `db\.consul\.svc\.cluster\.local SRV`))
	d.end(t, tmp)
}

// demo is a running demo and what it printed.
type demo struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func startDemo(t *testing.T, path, tmp string) *demo {
	t.Helper()
	cmd := exec.Command(path, "-dns-port", "0")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "CONSUL_HTTP_ADDR=")
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &demo{cmd, bufio.NewScanner(pipe)}
}

// until returns the commands that the demo prints up to the one that matches.
func (d *demo) until(t *testing.T, pattern string) []string {
	t.Helper()
	last := regexp.MustCompile(pattern)
	var commands []string
	for d.out.Scan() {
		line := strings.TrimSpace(d.out.Text())
		t.Log(line)
		if line == d.out.Text() || strings.HasPrefix(line, "#") {
			continue
		}
		commands = append(commands, line)
		if last.MatchString(line) {
			return commands
		}
	}
	t.Fatalf("the demo ended: %v", d.cmd.Wait())
	return nil
}

func typeLines(ctx context.Context, t *testing.T, lines []string) {
	t.Helper()
	if len(lines) != len(answers) {
		t.Fatalf("the demo printed %d commands, want %d:\n%s", len(lines), len(answers), strings.Join(lines, "\n"))
	}
	for i, line := range lines {
		want := regexp.MustCompile(answers[i])
		for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
			out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
			if err == nil && want.Match(out) {
				t.Logf("%v: %s", time.Since(start).Round(time.Millisecond), line)
				break
			}
			if time.Since(start) > time.Second {
				t.Fatalf("%s\n%s\n%v\nwant a match of %q within a second", line, out, err, answers[i])
			}
		}
	}
}

// end interrupts the demo and looks for what it left behind.
func (d *demo) end(t *testing.T, tmp string) {
	t.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for d.out.Scan() {
		t.Log(d.out.Text())
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("the demo ended with %v", err)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range processes {
		if line, err := os.ReadFile(p); err == nil && strings.Contains(string(line), tmp) {
			t.Errorf("process left: %q", line)
		}
	}
}
