package servers

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// processAttributes puts a child into a process group of its own, so that an interrupt typed at this program reaches the
// child through Stop only, and has the kernel kill it when its parent dies.
//
// The parent is the thread that started it (prctl(2), PR_SET_PDEATHSIG), and Go ends idle threads: whoever starts a child with
// these attributes locks its goroutine to its thread until the child has ended.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// frozen reports whether every thread of a process is stopped. A signal that stops is taken by each thread in its own time.
func frozen(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, t := range threads {
		stat, err := os.ReadFile(t)
		if err != nil {
			continue // it ended
		}
		// PID (NAME) STATE ..., see proc(5); NAME may hold anything.
		if state := stat[bytes.LastIndexByte(stat, ')')+1:]; len(state) < 2 || state[1] != 'T' {
			return false
		}
	}
	return true
}
