package servers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one life of a server. A goroutine waits for its end, and whoever ends it waits for that goroutine by done.
type process struct {
	pid  int
	done chan struct{} // closed when it ended and was reaped
	err  error         // how it ended; read it after done
}

// launch starts cmd, whose output it sends to the end of the file log.
func launch(cmd *exec.Cmd, log string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = processAttributes()

	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // see processAttributes
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// alive reports whether the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig unless the process has ended.
func (p *process) signal(sig syscall.Signal) error {
	if !p.alive() {
		return os.ErrProcessDone
	}
	return syscall.Kill(p.pid, sig)
}

// terminate asks the process to end, a paused one too, and kills it when it does not do so within grace.
func (p *process) terminate(grace time.Duration) error {
	err := p.signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if err == nil {
		err = p.signal(syscall.SIGCONT)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.kill()
		return errors.Join(err, fmt.Errorf("still running %v after SIGTERM: killed", grace))
	}
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	if p.signal(syscall.SIGKILL) == nil {
		<-p.done
	}
}

// tail returns about the last n bytes of a file, from the start of a line.
func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	from := max(0, info.Size()-n)
	b, err := io.ReadAll(io.NewSectionReader(f, from, n))
	if err != nil {
		return err.Error()
	}
	if _, after, found := bytes.Cut(b, []byte("\n")); found && from > 0 {
		b = after
	}
	return string(bytes.TrimSpace(b))
}
