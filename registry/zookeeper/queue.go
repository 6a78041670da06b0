package zookeeper

import "strings"

// queue are questions that wait. Those about one service, and all below its name, take
// turns with those about others, so that nobody waits for another's thousands.
type queue struct {
	of    map[string][]question // by the first part of a service's name
	turns []string              // those of which any wait, the next one first
}

func (q *queue) empty() bool { return len(q.turns) == 0 }

// push has a question about a service wait.
func (q *queue) push(about string, x question) {
	first, _, _ := strings.Cut(about, "/")
	if q.of == nil {
		q.of = map[string][]question{}
	}
	if len(q.of[first]) == 0 {
		q.turns = append(q.turns, first)
	}
	q.of[first] = append(q.of[first], x)
}

// pop takes the next question. There is one.
func (q *queue) pop() question {
	first := q.turns[0]
	q.turns = q.turns[1:]
	x := q.of[first][0]
	if rest := q.of[first][1:]; len(rest) > 0 {
		q.of[first] = rest
		q.turns = append(q.turns, first)
	} else {
		delete(q.of, first)
	}
	return x
}
