package consul

import (
	"context"
	"path"
	"slices"
	"strings"
	"unicode"
)

// readOdd answers for the names by which Consul cannot be asked, which are refused
// while they are there, and returns the others. Whoever registers one of them
// takes nothing from anybody.
func (w *watch) readOdd(ctx context.Context, names []string) (odd []answer, rest []string, err error) {
	if !slices.ContainsFunc(names, isOdd) {
		return nil, names, nil
	}
	tickets := map[string]uint64{}
	for _, name := range names {
		if isOdd(name) {
			tickets[name] = w.view.ticket(name)
		} else {
			rest = append(rest, name)
		}
	}
	there, err := w.listNames(ctx, "")
	if err != nil {
		return nil, nil, err
	}
	for name, ticket := range tickets {
		f := found{}
		if there[name] {
			f = w.layout.decode(name, nil)
		}
		odd = append(odd, w.view.answerOf(name, ticket, 0, f))
	}
	return odd, rest, nil
}

func isOdd(name string) bool { return checkName(name) != nil }

// maxNode is how long the name of a node may be by which Consul is asked.
const maxNode = 1000

// askable reports whether Consul can be asked about a node: its name is part of a
// path, which has to be printed and may not be made shorter.
func askable(node string) bool {
	return len(node) <= maxNode && path.Clean("/"+node) == "/"+node && !strings.ContainsFunc(node, func(r rune) bool { return !unicode.IsPrint(r) })
}
