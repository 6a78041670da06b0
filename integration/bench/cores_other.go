//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

// errNotLinux is why nothing is measured here: /proc and pinning are missing.
var errNotLinux = errors.New("the benchmark needs Linux")

func childAttributes() *syscall.SysProcAttr { return new(syscall.SysProcAttr) }

func twoCores() (server, rest int, err error) { return 0, 0, errNotLinux }

func pinThread(...int) error { return errNotLinux }

func pin(int, ...int) error { return errNotLinux }

func cpuTime(int) (time.Duration, error) { return 0, errNotLinux }
