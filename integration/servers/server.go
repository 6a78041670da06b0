package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// grace is how long a server may take to end by itself: an API server lets requests that it has end first, each within a minute.
const grace = 70 * time.Second

// Server is a running server's process: its life, which may be ended and begun again on the same data and the same ports.
type Server struct {
	name  string   // of the program
	path  string   // of the executable
	args  []string // for every life
	ports []int    // that it listens on
	dir   string
	temp  bool                        // dir is ours to remove
	probe func(context.Context) error // nil when the server answers its clients

	mu   sync.Mutex // guards life
	life *process   // the last one
}

// newServer builds p and prepares a server of it, which begin starts, and the folder in o.
func newServer(ctx context.Context, p Program, o Options) (*Server, Options, error) {
	path, err := Build(ctx, p, o.Log)
	if err != nil {
		return nil, o, err
	}
	o, temp, err := o.prepare(string(p))
	if err != nil {
		return nil, o, err
	}
	return &Server{name: string(p), path: path, dir: o.Dir, temp: temp}, o, nil
}

// begin starts the first life of s with args, which o.Args follow. If that fails, no process is left, and dir stays for
// another try.
func (s *Server) begin(ctx context.Context, o Options, ports []int, probe func(context.Context) error, args ...string) error {
	s.args, s.ports, s.probe = append(args, o.Args...), ports, probe
	if err := s.Restart(ctx); err != nil {
		s.Kill()
		return err
	}
	return nil
}

// discard removes dir if it is temporary.
func (s *Server) discard() error {
	if !s.temp {
		return nil
	}
	return os.RemoveAll(s.dir)
}

// Dir returns the folder of the server's data.
func (s *Server) Dir() string { return s.dir }

// LogFile returns the path of what the server wrote, over all its lives.
func (s *Server) LogFile() string { return filepath.Join(s.dir, s.name+".log") }

// LogTail returns the last lines of LogFile, at most 4 kB, or why it cannot be read.
func (s *Server) LogTail() string { return tail(s.LogFile(), 4000) }

// PID returns the number of the running process, or that of the last one.
func (s *Server) PID() int {
	if life := s.current(); life != nil {
		return life.pid
	}
	return 0
}

func (s *Server) current() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// Restart starts the server on the same data and ports and waits until it is ready. One that runs is ended first, as by Halt.
// When it returns an error the process may still run.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Halt(); err != nil {
		return err
	}
	if err := areFree(s.ports); err != nil {
		return fmt.Errorf("servers: start %s: %w", s.name, err)
	}
	cmd := exec.Command(s.path, s.args...)
	cmd.Dir = s.dir
	cmd.Env = environment(s.dir)
	life, err := launch(cmd, s.LogFile())
	if err != nil {
		return fmt.Errorf("servers: start %s: %w", s.name, err)
	}
	s.mu.Lock()
	s.life = life
	s.mu.Unlock()
	return s.Ready(ctx)
}

// environment returns what a server sees of ours: not the variables by which people configure such servers.
func environment(dir string) []string {
	env := []string{"HOME=" + dir}
	for _, name := range []string{"PATH", "TMPDIR", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Ready waits until the server answers its clients. It returns an error with the end of the server's log when the server ends
// before, or ctx does.
func (s *Server) Ready(ctx context.Context) error {
	life := s.current()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.tryProbe(ctx)
		if err == nil && life.alive() {
			return nil
		}
		select {
		case <-life.done:
			return s.endedEarly(life)
		case <-ctx.Done():
			return fmt.Errorf("servers: wait for %s: %w; last: %v\n%s", s.name, context.Cause(ctx), err, s.LogTail())
		case <-tick.C:
		}
	}
}

func (s *Server) tryProbe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return s.probe(ctx)
}

func (s *Server) endedEarly(life *process) error {
	log := s.LogTail()
	err := fmt.Errorf("servers: %s ended before it was ready: %w\n%s", s.name, errOf(life), log)
	if strings.Contains(strings.ToLower(log), "address already in use") {
		return errors.Join(errPortTaken, err)
	}
	return err
}

func errOf(life *process) error {
	if life.err == nil {
		return errors.New("exit status 0")
	}
	return life.err
}

// Wait returns when the running process has ended, with how it ended, or with ctx's error when that ends first.
func (s *Server) Wait(ctx context.Context) error {
	life := s.current()
	select {
	case <-life.done:
		return life.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Stop ends the server for good: it waits for the process as Halt does, and removes the data folder if that is temporary.
// Stopping twice does no harm.
func (s *Server) Stop() error { return errors.Join(s.Halt(), s.discard()) }

// Halt asks the server to end and waits until it is gone; data stay. One that does not end within 20 s is killed, which is
// an error. One that has ended already is none.
func (s *Server) Halt() error {
	life := s.current()
	if life == nil {
		return nil
	}
	if err := life.terminate(grace); err != nil {
		return fmt.Errorf("servers: stop %s: %w", s.name, err)
	}
	return nil
}

// Kill ends the server at once, as a crash would, and waits until it is gone; data stay.
func (s *Server) Kill() {
	if life := s.current(); life != nil {
		life.kill()
	}
}

// Pause freezes the server: its connections stay open and nothing is answered, until Resume. It returns when that is so.
func (s *Server) Pause() error {
	if err := s.signal("pause", syscall.SIGSTOP); err != nil {
		return err
	}
	for range 1000 {
		if frozen(s.PID()) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("servers: pause %s: it still runs", s.name)
}

// Resume lets a paused server go on.
func (s *Server) Resume() error { return s.signal("resume", syscall.SIGCONT) }

func (s *Server) signal(what string, sig syscall.Signal) error {
	life := s.current()
	if life == nil {
		return fmt.Errorf("servers: %s %s: %w", what, s.name, os.ErrProcessDone)
	}
	if err := life.signal(sig); err != nil {
		return fmt.Errorf("servers: %s %s: %w", what, s.name, err)
	}
	return nil
}
