package simulation

import (
	"math/rand/v2"
	"time"

	"github.com/isthmus-dns/isthmus/registry/memory"
)

// weather is how many of 1,000 requests meet which fate.
type weather struct {
	lost, unanswered, late, unseen, older, empty, raced int
}

// fate is what becomes of a request as the weather is, by a roll of 1,000.
func (s *side) fate(r memory.Request, roll int) memory.Fate {
	s.world.mu.Lock()
	is := s.weather
	s.world.mu.Unlock()
	switch r.Verb {
	case memory.List:
		return s.listed(is, roll)
	case memory.Sync:
		if roll < is.lost {
			return s.meets("follower not asked to catch up", memory.Lost)
		}
	case memory.Renew:
		return s.renewed(is, roll)
	case memory.Watch:
		switch {
		case roll < is.lost/4:
			return s.meets("watch cut", memory.Lost)
		case roll < is.unseen:
			return s.blind("change not told", memory.Unseen)
		}
	default:
		return s.written(is, r, roll)
	}
	return memory.Passes
}

func (s *side) listed(is weather, roll int) memory.Fate {
	switch {
	case roll < is.lost:
		return s.meets("list fails", memory.Lost)
	case roll < is.older && s.ways.Follows:
		return s.meets("follower behind", memory.Older)
	case roll < is.older:
		s.world.mu.Lock()
		s.behind = time.Now()
		s.world.mu.Unlock()
		return s.meets("stale read", memory.Older)
	case roll < is.empty && s.origin != keeper && s.bearsEmpty(): // that one's identity is in what it remembers
		return s.blind("empty answer", memory.Empty)
	}
	return memory.Passes
}

func (s *side) written(is weather, r memory.Request, roll int) memory.Fate {
	switch {
	case r.Verb == memory.Lease:
		return s.leased(is, roll)
	case roll < is.lost && s.ways.Unsure && r.Verb != memory.Claim:
		return s.meets("write lost, outcome unknown", memory.Lost)
	case roll < is.lost:
		return s.meets("write lost", memory.Lost)
	case roll < is.unanswered:
		return s.meets("write done, answer lost", memory.Unanswered)
	case roll < is.late && r.Verb != memory.Claim && r.Verb != memory.MakeNamespace:
		s.world.delayed()
		return s.meets("write arrives late", memory.Late)
	case roll < is.raced && r.Verb != memory.Claim:
		s.race(r.Ref)
	}
	return memory.Passes
}

// renewed is the fate of what has writes refused that are on their way.
func (s *side) renewed(is weather, roll int) memory.Fate {
	switch {
	case roll < is.lost:
		return s.meets("fence not moved after a write of unknown outcome", memory.Lost)
	case roll < is.unanswered:
		return s.meets("fence moved after a write of unknown outcome, answer lost", memory.Unanswered)
	}
	return s.meets("fence moved after a write of unknown outcome", memory.Passes)
}

// lag is how much later than others a server tells what changed that is behind them.
func (s *side) lag(r memory.Request, roll int, luck *rand.Rand) time.Duration {
	s.world.mu.Lock()
	is := s.weather
	s.world.mu.Unlock()
	if !s.ways.Follows || r.Verb != memory.Watch || roll >= is.older {
		return 0
	}
	d := time.Duration(luck.IntN(int(900 * time.Millisecond))) // R8 gives a second
	s.world.heldUp(d)
	s.world.reach("told late by a follower")
	return d
}

func (s *side) leased(is weather, roll int) memory.Fate {
	switch {
	case roll < is.lost:
		return s.meets("lease not asked for", memory.Lost)
	case roll < is.unanswered:
		return s.meets("lease taken, answer lost", memory.Unanswered)
	}
	return memory.Passes
}

func (s *side) meets(what string, fate memory.Fate) memory.Fate {
	s.world.reach(what)
	return fate
}

// blind is meets of what leaves somebody with something that is not so.
func (s *side) blind(what string, fate memory.Fate) memory.Fate {
	s.world.mu.Lock()
	s.blinded = time.Now()
	switch fate {
	case memory.Unseen:
		s.unseen = s.blinded
	case memory.Empty:
		s.emptied = s.blinded
	}
	s.world.mu.Unlock()
	return s.meets(what, fate)
}
