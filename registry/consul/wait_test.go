package consul

import (
	"strconv"
	"testing"
	"time"
)

// TestPause holds that rounds are as far apart as they are dear.
func TestPause(t *testing.T) {
	for _, tt := range []struct {
		name    string
		natives int
		took    time.Duration
		writing bool
		want    time.Duration
	}{
		{"small", 10, 20 * time.Millisecond, false, minPause},
		{"many names to ask", 1000, 20 * time.Millisecond, false, time.Second},
		{"a slow server", 10, time.Second, false, 2 * time.Second},
		{"a very slow server", 10, time.Minute, false, maxPause},
		{"one kept busy", 10, 500 * time.Millisecond, true, 4500 * time.Millisecond},
		{"a slow one kept busy", 10, time.Second, true, maxPause},
	} {
		w := &watch{took: tt.took, last: listing{natives: map[string]bool{}}, spare: spare{owed: tt.writing}}
		for i := range tt.natives {
			w.last.natives[strconv.Itoa(i)] = true
		}
		if got := w.pause(); got != tt.want {
			t.Errorf("%s: pause %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestSpare holds that nodes which this process writes are read at once when
// others changed them, and in time when it writes all the while.
func TestSpare(t *testing.T) {
	var s spare
	now := time.Now()
	if !s.due(now, 5) {
		t.Error("nothing was read yet, and is not due")
	}
	s.read(now, now.Add(time.Second), false)
	now = now.Add(2 * time.Second)
	if !s.due(now, 0) || s.end(now) != nil {
		t.Error("another's change is not due")
	}
	if s.due(now, 1) || s.end(now) == nil {
		t.Error("own writes are due, or forgotten")
	}
	if s.due(now, 0) {
		t.Error("what is owed is due too early")
	}
	if now = now.Add(9 * time.Second); !s.due(now, 1) || s.end(now) != nil {
		t.Error("what was owed ten times as long as it took is not due")
	}
	s.read(now, now.Add(time.Hour), false)
	now = now.Add(time.Hour)
	if s.due(now, 1) || !s.due(now.Add(maxSpare), 1) {
		t.Error("not due after the longest time")
	}
	now = now.Add(time.Hour)
	if s.due(now, 1) || !s.due(now.Add(minSpare), 0) {
		t.Error("a single write made them due at once, or not soon")
	}
	now = now.Add(time.Hour)
	s.read(now, now, true)
	if s.end(now) == nil || s.due(now, 0) || !s.due(now.Add(minSpare), 0) {
		t.Error("what was left is forgotten, due at once, or not soon")
	}
}
