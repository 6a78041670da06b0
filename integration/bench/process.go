package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// grace is how long a server may take to end by itself.
const grace = 10 * time.Second

// process is a server on the cores that it was given. A goroutine waits for its
// end, and stop waits for that goroutine.
type process struct {
	pid  int
	done chan struct{} // closed when it ended and was reaped
	err  error         // how it ended; read it after done
	log  string
}

// launch starts cmd on these cores, its output at the end of the file log.
func launch(cmd *exec.Cmd, log string, cores ...int) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = childAttributes()
	p := &process{done: make(chan struct{}), log: log}
	started := make(chan error, 1)
	go func() {
		// The child inherits the thread's cores and dies with the thread, which
		// therefore serves nothing else and ends with this goroutine.
		runtime.LockOSThread()
		defer close(p.done)
		err := pinThread(cores...)
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %q: %w", cmd.Path, err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// stop asks the process to end, kills it if it does not, and waits for it.
func (p *process) stop() {
	_ = syscall.Kill(p.pid, syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
		<-p.done
	}
}

// alive returns an error with the process's last words if it has ended.
func (p *process) alive() error {
	select {
	case <-p.done:
		b, err := os.ReadFile(p.log)
		return fmt.Errorf("it ended: %w\n%s", errors.Join(p.err, err), b[max(0, len(b)-2000):])
	default:
		return nil
	}
}
