package main

import (
	"errors"
	"net"
	"runtime"
	"syscall"
)

// readAwake reads from c without sleeping until there is something: who is asleep has
// to be woken by the server that answers, which costs that the more the slower it is,
// and not what it does.
func readAwake(c net.Conn, buf []byte) (int, error) {
	from, ok := c.(syscall.Conn)
	if !ok {
		return c.Read(buf)
	}
	raw, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	for {
		n, failed := 0, error(nil)
		err := raw.Read(func(fd uintptr) bool {
			n, failed = syscall.Read(int(fd), buf)
			return true
		})
		switch {
		case err != nil: // past the deadline, too
			return 0, err
		case failed == nil:
			return n, nil
		case !errors.Is(failed, syscall.EAGAIN) && !errors.Is(failed, syscall.EINTR):
			return 0, failed
		}
		runtime.Gosched()
	}
}
