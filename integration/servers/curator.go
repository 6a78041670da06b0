package servers

import (
	"bufio"
	"bytes"
	"context"
	_ "embed" // the program's source
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

//go:embed java/Discovery.java
var discoverySource []byte

// CuratorOptions say where a Curator client looks.
type CuratorOptions struct {
	// Connect is HOST:PORT of ZooKeeper, or several with commas between them.
	Connect string
	// Path is below what services are; Spring Cloud's is /services.
	Path string
	// User is USER:PASSWORD of the scheme digest. Empty: nobody.
	User string
	// Log is as in Options.
	Log func(line string)
}

// Curator is a running Java program that uses Apache Curator's own ServiceDiscovery and so stands for the applications that do.
// Its methods are called by one goroutine at a time.
type Curator struct {
	cmd    *exec.Cmd
	dir    string
	in     io.WriteCloser
	lines  chan []byte  // of its output; closed at its end
	stderr bytes.Buffer // read it after the end
}

// StartCurator starts the program and returns when it is connected. What FindJava finds or fetches runs it. ctx bounds the start.
func StartCurator(ctx context.Context, o CuratorOptions) (*Curator, error) {
	j, err := FindJava(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "isthmus-curator-")
	if err != nil {
		return nil, fmt.Errorf("servers: start curator: %w", err)
	}
	c := &Curator{dir: dir, lines: make(chan []byte)}
	if err := c.start(j, o); err != nil {
		return nil, fmt.Errorf("servers: start curator: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	if _, err := c.read(ctx); err != nil {
		c.Kill()
		return nil, fmt.Errorf("servers: start curator: %w\n%s", err, lastOf(c.stderr.Bytes(), 4000))
	}
	return c, nil
}

func (c *Curator) start(j *Java, o CuratorOptions) error {
	source := filepath.Join(c.dir, "Discovery.java")
	if err := os.WriteFile(source, discoverySource, 0o600); err != nil {
		return err
	}
	args := []string{source, o.Connect, o.Path}
	if o.User != "" {
		args = append(args, o.User)
	}
	c.cmd = j.command(context.Background(), args...)
	c.cmd.Dir, c.cmd.Env = c.dir, environment(c.dir)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it ends with its input, so with us
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	go c.deliver(out)
	return nil
}

// deliver hands on the program's output line by line until it ends. Whoever ends the program takes what is left.
func (c *Curator) deliver(out io.Reader) {
	defer close(c.lines)
	all := bufio.NewReader(out)
	for {
		line, err := all.ReadBytes('\n')
		if err != nil {
			return
		}
		c.lines <- line
	}
}

// Do asks the program something, by a verb and words NAME=VALUE, and returns the facts that it answers, a line of JSON each. What
// may be asked is told at the top of java/Discovery.java. An error of Java's is one. When ctx ends before the answer,
// the program is of no further use.
func (c *Curator) Do(ctx context.Context, words ...string) ([]byte, error) {
	line, err := json.Marshal(words)
	if err != nil {
		return nil, fmt.Errorf("servers: ask curator: %w", err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("servers: ask curator %q: %w", words, err)
	}
	facts, err := c.read(ctx)
	if err != nil {
		return facts, fmt.Errorf("servers: ask curator %q: %w", words, err)
	}
	return facts, nil
}

// read returns the lines of an answer but for the last, which says how it ended.
func (c *Curator) read(ctx context.Context) (facts []byte, err error) {
	for {
		select {
		case <-ctx.Done():
			return facts, context.Cause(ctx)
		case line, more := <-c.lines:
			if !more {
				return facts, errors.New("the program has ended")
			}
			var end struct{ Done, Error string }
			if err := json.Unmarshal(line, &end); err != nil {
				return facts, fmt.Errorf("%w in %q", err, line)
			}
			if end.Error != "" {
				return facts, errors.New(end.Error)
			}
			if end.Done != "" {
				return facts, nil
			}
			facts = append(facts, line...)
		}
	}
}

// Stop ends the program, which unregisters first what it registered. Stopping twice does no harm.
func (c *Curator) Stop() error {
	if c.cmd.ProcessState != nil {
		return nil
	}
	late := time.AfterFunc(grace, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	closed := c.in.Close()
	if err := errors.Join(c.wait(), closed); err != nil {
		return fmt.Errorf("servers: stop curator: %w\n%s", err, lastOf(c.stderr.Bytes(), 4000))
	}
	return nil
}

// Kill ends the program at once, as a crash would: its session lives on until it times out.
func (c *Curator) Kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.wait()
	}
}

// wait takes what is left of the output, waits for the end and removes what was temporary.
func (c *Curator) wait() error {
	for range c.lines {
	}
	return errors.Join(c.cmd.Wait(), os.RemoveAll(c.dir))
}
