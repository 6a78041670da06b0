package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pacers    = 8  // changes under way at once
	rollAfter = 50 // changes until one is undone
)

// paced makes rate changes a second: half of them do the next thing, the others
// undo what was done a while ago, so that all is as before in the end. When all
// changes under way are slow, some are left out. The returned function ends it,
// undoes the rest, and says how many changes a second were made.
func paced(ctx context.Context, rate int, do, undo func(ctx context.Context, n int) error) (stop func() (perSecond float64, err error)) {
	p := &pace{rate: rate, do: do, undo: undo, work: make(chan int)}
	ticking, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	start := time.Now()
	running.Go(func() { p.tick(ticking) })
	for range pacers {
		running.Go(func() { p.serve(ctx) })
	}
	return func() (float64, error) {
		cancel()
		running.Wait()
		perSecond := float64(p.made.Load()) / time.Since(start).Seconds()
		return perSecond, p.rest(ctx)
	}
}

// pace is changes under way.
type pace struct {
	rate     int
	do, undo func(context.Context, int) error
	work     chan int // even: does half of it, odd: undoes
	next     int      // of the ticking goroutine, then of rest
	made     atomic.Int64
	mu       sync.Mutex // guards failed
	failed   error
}

func (p *pace) tick(ctx context.Context) {
	defer close(p.work)
	tick := time.NewTicker(time.Second / time.Duration(p.rate))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case p.work <- p.next:
			p.next++
		default: // all are busy
		}
	}
}

func (p *pace) serve(ctx context.Context) {
	for n := range p.work {
		var err error
		switch {
		case n%2 == 0:
			err = p.do(ctx, n/2)
		case n/2 >= rollAfter:
			err = p.undo(ctx, n/2-rollAfter)
		}
		p.made.Add(1)
		if err != nil && ctx.Err() == nil {
			p.mu.Lock()
			p.failed = err
			p.mu.Unlock()
		}
	}
}

// rest undoes what was done last, and returns what failed on the way.
func (p *pace) rest(ctx context.Context) error {
	for n := max(0, p.next/2-rollAfter-1); n <= p.next/2; n++ {
		if err := p.undo(ctx, n); err != nil {
			return err
		}
	}
	return p.failed
}
