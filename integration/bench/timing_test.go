package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A registry that shows every change at once, and one that never does.
func TestTiming(t *testing.T) {
	at := func(ctx context.Context, want shown) (<-chan sighting, error) {
		c := make(chan sighting, 1)
		c <- sighting{at: time.Now()}
		return c, nil
	}
	broken := func(ctx context.Context, want shown) (<-chan sighting, error) {
		c := make(chan sighting, 1)
		c <- sighting{err: errors.New("lost")}
		return c, nil
	}
	changes := func(int) []change {
		send := func(context.Context) error { return nil }
		return []change{{shown{there: true}, send}, {shown{}, send}}
	}
	all, err := timing{watches: map[string]watch{"a": at}, changes: changes, number: 3, limit: time.Minute}.run(t.Context())
	if err != nil || len(all["a"][true]) != 3 || len(all["a"][false]) != 3 {
		t.Errorf("run() = %v, %v, want 3 of each", all, err)
	}
	few, err := timing{watches: map[string]watch{"a": at}, changes: changes, number: 9}.run(t.Context())
	if err != nil || len(few["a"][true]) != 2 {
		t.Errorf("run() without time = %v, %v, want 2 of each", few, err)
	}
	if _, err := (timing{watches: map[string]watch{"b": broken}, changes: changes, number: 1}).run(t.Context()); err == nil {
		t.Error("a change that was not seen is no error")
	}
}

func TestFiguresOfChanges(t *testing.T) {
	all := taken{"row": {true: {1, 2, 30}, false: {1, 2, 3}}}
	var got []string
	for _, f := range all.figures("row", kinds{"add", "remove"}, "idle", limits{2, 20}) {
		got = append(got, f.Name+" "+f.value(ours)+" "+f.Target.String()+" "+f.met())
	}
	want := []string{"add, idle, p50 2.00 <= 2 yes", "add, idle, p99 30.00 <= 20 NO", "remove, idle, p50 2.00 <= 2 yes", "remove, idle, p99 3.00 <= 20 yes"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
}

// What was done is undone, once all is over.
func TestPaced(t *testing.T) {
	done, undone := make(chan int, 10_000), make(chan int, 10_000)
	stop := paced(t.Context(), 1000,
		func(_ context.Context, n int) error { done <- n; return nil },
		func(_ context.Context, n int) error { undone <- n; return nil })
	for len(undone) == 0 {
		if err := sleep(t.Context(), time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if rate, err := stop(); err != nil || rate <= 0 {
		t.Errorf("stop() = %v, %v", rate, err)
	}
	left := map[int]bool{}
	for range len(done) {
		left[<-done] = true
	}
	for range len(undone) {
		delete(left, <-undone)
	}
	if len(left) > 0 {
		t.Errorf("not undone: %v", left)
	}
}
