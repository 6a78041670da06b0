package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux (proc(5)).
const tick = 10 * time.Millisecond

// memory is what a process holds of RAM, in MiB.
type memory struct {
	resident float64
	peak     float64 // since the start or the last resetPeak
}

func memoryOf(pid int) (memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, fmt.Errorf("read memory: %w", err)
	}
	return parseStatus(string(b))
}

// parseStatus reads the lines VmRSS and VmHWM, in kB.
func parseStatus(text string) (m memory, err error) {
	found := 0
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		field := map[string]*float64{"VmRSS": &m.resident, "VmHWM": &m.peak}[name]
		if field == nil {
			continue
		}
		kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
		if err != nil {
			return m, fmt.Errorf("read memory: %q: %w", name, err)
		}
		*field = kb / 1024
		found++
	}
	if found != 2 {
		return m, fmt.Errorf("read memory: %d of VmRSS and VmHWM are there", found)
	}
	return m, nil
}

// resetPeak lets the peak begin anew at what is resident now.
func resetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset the peak of memory: %w", err)
	}
	return nil
}

// coreTime is how long a core was busy with processes, and how long the host
// gave it to somebody else.
type coreTime struct{ busy, stolen time.Duration }

func (c coreTime) since(older coreTime) coreTime {
	return coreTime{c.busy - older.busy, c.stolen - older.stolen}
}

func coreTimeOf(core int) (coreTime, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return coreTime{}, fmt.Errorf("read the use of cores: %w", err)
	}
	return parseCore(string(b), core)
}

// parseCore reads cpuN USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...
func parseCore(text string, core int) (c coreTime, err error) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 9 || words[0] != fmt.Sprintf("cpu%d", core) {
			continue
		}
		for i, to := range map[int]*time.Duration{1: &c.busy, 2: &c.busy, 3: &c.busy, 8: &c.stolen} {
			n, err := strconv.ParseInt(words[i], 10, 64)
			if err != nil {
				return c, fmt.Errorf("read the use of core %d: %w", core, err)
			}
			*to += time.Duration(n) * tick
		}
		return c, nil
	}
	return c, fmt.Errorf("read the use of core %d: no such core", core)
}

// loadAverage is for people who judge the figures.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}
