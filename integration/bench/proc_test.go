package main

import (
	"os"
	"testing"
	"time"
)

func TestParseStatus(t *testing.T) {
	for _, tt := range []struct {
		text string
		want memory
		ok   bool
	}{
		{"Name:\tx\nVmHWM:\t  4096 kB\nVmRSS:\t  1536 kB\n", memory{resident: 1.5, peak: 4}, true},
		{"VmHWM:\t4096 kB\n", memory{peak: 4}, false},
		{"VmHWM:\tx kB\nVmRSS:\t1 kB\n", memory{}, false},
	} {
		got, err := parseStatus(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseStatus(%q) = %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
}

func TestParseCore(t *testing.T) {
	const text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu1 10 20 x 40 50 60 70 80 0 0\n"
	want := coreTime{busy: 60 * time.Millisecond, stolen: 80 * time.Millisecond}
	if got, err := parseCore(text, 0); got != want || err != nil {
		t.Errorf("parseCore(0) = %v, %v, want %v", got, err, want)
	}
	for _, core := range []int{1, 2} {
		if got, err := parseCore(text, core); err == nil {
			t.Errorf("parseCore(%d) = %v, want an error", core, got)
		}
	}
}

// This very process can be read, and its peak falls back to what it holds.
func TestOwnProcess(t *testing.T) {
	if used, err := cpuTime(os.Getpid()); used <= 0 || err != nil {
		t.Errorf("cpuTime(self) = %v, %v", used, err)
	}
	if err := resetPeak(os.Getpid()); err != nil {
		t.Error(err)
	}
	m, err := memoryOf(os.Getpid())
	if err != nil || m.resident <= 0 || m.peak < m.resident/2 {
		t.Errorf("memoryOf(self) = %+v, %v", m, err)
	}
}
