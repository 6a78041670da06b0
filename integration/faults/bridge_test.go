package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is one life of the bridge. A goroutine waits for its end.
type process struct {
	cmd   *exec.Cmd
	admin string
	done  chan struct{} // closed when it ended and was reaped
}

// launch starts the bridge with a file; what it says is added to log.
func launch(program, conf, admin, log string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &process{cmd: exec.Command(program, "bridge", "-conf", conf), admin: admin, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir()}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the bridge: %w", err)
	}
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	return p, nil
}

// kill ends it as a crash would, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks it to end, and waits; one that does not is killed.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.kill()
		return errors.New("the bridge did not end within 20 seconds")
	}
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// alive reports whether it has not ended.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// status is what of the bridge's own report is of use here.
type status struct {
	Lead  struct{ Leads bool }
	Rules []struct {
		Rule, Blocked, Budget string
		Same, Pending         int
		Held, Failed          struct{ Count int }
		Error                 *struct{ Why string } `json:"last_error"`
	}
}

func (p *process) status() (s status, err error) {
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + p.admin + "/status")
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

// String is for people who look at a failure.
func (s status) String() string {
	text := fmt.Sprintf("leads %t", s.Lead.Leads)
	for _, r := range s.Rules {
		text += fmt.Sprintf("; %s: same %d, pending %d, held %d, failed %d", r.Rule, r.Same, r.Pending, r.Held.Count, r.Failed.Count)
		if r.Blocked != "" {
			text += ", blocked: " + r.Blocked
		}
		if r.Budget != "" {
			text += ", budget: " + r.Budget
		}
		if r.Error != nil {
			text += ", last error: " + r.Error.Why
		}
	}
	return text
}
