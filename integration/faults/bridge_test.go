package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/isthmus-dns/isthmus/registry/registrytest/proxy"
)

// replica is a bridge with proxies of its own before the servers: it goes through a
// link, then through a gate. A goroutine waits for the end of its process.
type replica struct {
	program, folder, log string
	admin                string
	gates                map[string]*gate // by registry; "kubernetes" where leaders are elected
	links                map[string]links // by registry, and "kubernetes"

	cmd  *exec.Cmd     // of its last life
	done chan struct{} // closed when that ended and was reaped
}

// links are those before all servers of a registry.
type links []*proxy.Proxy

func (l links) addrs() (all []string) {
	for _, one := range l {
		all = append(all, one.Addr())
	}
	return all
}

// all does the same to each.
func (l links) all(do func(*proxy.Proxy)) {
	for _, one := range l {
		do(one)
	}
}

func (l links) cut()   { l.all((*proxy.Proxy).Cut) }
func (l links) stall() { l.all((*proxy.Proxy).Stall) }
func (l links) heal()  { l.all((*proxy.Proxy).Heal) }

// start starts the program; what it says is added to the log.
func (p *replica) start() error {
	f, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	p.cmd, p.done = exec.Command(p.program, "bridge", "-conf", filepath.Join(p.folder, "bridge.conf")), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = f, f
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.folder}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start the bridge: %w", err)
	}
	cmd, done := p.cmd, p.done
	go func() { defer close(done); _ = cmd.Wait() }()
	return nil
}

// kill ends it as a crash would, and waits until it is gone.
func (p *replica) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks it to end, and waits; one that does not is killed.
func (p *replica) stop() error {
	if !p.alive() {
		return nil
	}
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

func (p *replica) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// alive reports whether it was started and has not ended.
func (p *replica) alive() bool {
	if p.done == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// status is what of the bridge's own report is of use here.
type status struct {
	Lead struct {
		Leads        bool
		Name, Leader string
	}
	Rules []struct {
		Rule, Blocked, Budget string
		Same, Pending         int
		Held, Failed          struct{ Count int }
		Error                 *struct{ Why string } `json:"last_error"`
	}
}

func (p *replica) status() (s status, err error) {
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
