package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Options are what all servers have in common. The zero value is a server with new data on free ports that says nothing.
type Options struct {
	// Dir is where the server keeps its data and its log. It is made if needed and the caller's to remove; data found there
	// is used again. Empty: a temporary one, which Stop removes.
	Dir string
	// Port is the port of 127.0.0.1 that clients use. 0: a free one.
	Port int
	// Args come after the server's own flags, so that of a flag given twice the later counts.
	Args []string
	// Log gets a line for what takes long: builds. It is called by one goroutine at a time. Nil: nobody.
	Log func(line string)
}

// prepare returns o with a Dir that exists, and whether that is temporary.
func (o Options) prepare(name string) (out Options, temp bool, err error) {
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "isthmus-"+name+"-"); err != nil {
			return o, false, fmt.Errorf("servers: make a data folder: %w", err)
		}
		return o, true, nil
	}
	if o.Dir, err = filepath.Abs(o.Dir); err == nil {
		err = os.MkdirAll(o.Dir, 0o700)
	}
	if err != nil {
		return o, false, fmt.Errorf("servers: make a data folder: %w", err)
	}
	return o, false, nil
}

// errPortTaken says that a server ended because somebody took one of its ports before it listened.
var errPortTaken = errors.New("a port was taken")

// withPorts calls start with n free ports, the first of them o.Port if that is set. Between finding a free port and
// listening on it somebody else may take it: then it tries again with others.
func withPorts[T any](ctx context.Context, o Options, n int, start func(context.Context, []int) (T, error)) (T, error) {
	for try := 1; ; try++ {
		ports, err := freePorts(n)
		if err != nil {
			var none T
			return none, err
		}
		if o.Port != 0 {
			ports[0] = o.Port
		}
		server, err := start(ctx, ports)
		if try == 5 || o.Port != 0 || !errors.Is(err, errPortTaken) {
			return server, err
		}
	}
}

// freePorts returns n different ports of 127.0.0.1 on which nobody listens.
//
// They are below the ranges from which systems choose ports of outgoing connections (from 32768 up). A port of that range may
// go to any client while its server is down, even to one that dials that very port and so reaches itself.
func freePorts(n int) ([]int, error) {
	const low, high = 10000, 30000
	var ports []int
	var last error
	for range 1000 {
		port := low + rand.IntN(high-low)
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			last = err
			continue
		}
		defer l.Close() // after the loop: none is found twice
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("servers: find a free port: %w", last)
}

// areFree returns errPortTaken if somebody listens on one of ports: a server that could not listen would else be taken for
// ready, when it is that somebody who answers.
func areFree(ports []int) error {
	for _, port := range ports {
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			return errors.Join(errPortTaken, err)
		}
		l.Close()
	}
	return nil
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
