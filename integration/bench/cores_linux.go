package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childAttributes has the kernel kill a child when the thread that started it
// ends (prctl(2), PR_SET_PDEATHSIG), and keeps an interrupt typed at this
// program from the child.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// twoCores returns the core of the servers that are measured and that of
// everything else. They are the same one on a machine with a single core.
func twoCores() (server, rest int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, 0, fmt.Errorf("ask which cores may be used: %w", err)
	}
	var allowed []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			allowed = append(allowed, i)
		}
	}
	return allowed[0], allowed[len(allowed)-1], nil
}

// pinThread keeps the calling thread, and whatever it starts, on these cores.
func pinThread(cores ...int) error { return setAffinity(0, cores...) }

// pin moves every thread of a process to these cores. Threads that come later
// follow.
func pin(pid int, cores ...int) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	for _, t := range threads {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		if err := setAffinity(id, cores...); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
}

func setAffinity(thread int, cores ...int) error {
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	if err := unix.SchedSetaffinity(thread, &set); err != nil {
		return fmt.Errorf("pin to cores %v: %w", cores, err)
	}
	return nil
}

// cpuTime returns what the process has used of CPUs, in user and kernel mode:
// utime and stime of /proc/PID/stat, but in nanoseconds and not in ticks of 10
// ms. It is read from the process's CPU clock (clock_getcpuclockid(3)).
func cpuTime(pid int) (time.Duration, error) {
	const allThreads = 2 // CPUCLOCK_SCHED, of a process
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|allThreads), &t); err != nil {
		return 0, fmt.Errorf("read CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}
