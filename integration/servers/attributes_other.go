//go:build !linux

package servers

import "syscall"

// processAttributes puts a child into a process group of its own, so that an interrupt typed at this program reaches the
// child through Stop only. A child outlives a parent that is killed.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// frozen cannot be asked here.
func frozen(int) bool { return true }
