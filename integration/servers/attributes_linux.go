package servers

import "syscall"

// processAttributes puts a child into a process group of its own, so that an interrupt typed at this program reaches the
// child through Stop only, and has the kernel kill it when its parent dies.
//
// The parent is the thread that started it (prctl(2), PR_SET_PDEATHSIG), and Go ends idle threads: whoever starts a child with
// these attributes locks its goroutine to its thread until the child has ended.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
