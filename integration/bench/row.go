package main

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// target is what the issue asks of a figure of ours: at most so many times that
// of another server and, if not zero, at most so much. Without another server
// it is at most so much, and zero is zero.
type target struct {
	Against side    `json:"against,omitempty"`
	Times   float64 `json:"times,omitempty"`
	AtMost  float64 `json:"atMost,omitempty"`
}

// queryRow is a row of the table that asks one kind of question.
type queryRow struct {
	name    string
	kind    question
	network string
	size    uint16  // announced by EDNS
	target  *target // of the CPU per query in the bare chain; nil: none
	floor   bool    // the constant plugin is measured beside it
}

// queryRows returns the rows in the table's order. A headless Service must cost
// at most a quarter of what it costs stock, its SRV at most a fifth.
func queryRows() []queryRow {
	quarter, fifth := &target{Against: stock, Times: 0.25}, &target{Against: stock, Times: 0.2}
	return []queryRow{
		{"clusterip", clusterIPs, udp, 0, &target{Against: floor, Times: 1.15}, true},
		{"headless-udp", headlessA, udp, ednsSize, quarter, false},
		{"headless-tcp", headlessA, tcp, 0, quarter, false},
		{"srv-udp", headlessSR, udp, ednsSize, fifth, false},
		{"srv-tcp", headlessSR, tcp, 0, fifth, false},
		{"nxdomain", nxdomain, udp, 0, &target{Against: floor, Times: 1.2}, true},
		{"ptr", ptr, udp, 0, nil, false},
	}
}

// sides returns who is measured for r, in the order of an even pair.
func (r queryRow) sides(c chain) []side {
	if r.floor && c == bare {
		return []side{ours, stock, floor}
	}
	return []side{ours, stock}
}

// inTurn returns sides in the order of a pair: forwards or backwards as the Thue-Morse
// sequence says (ABBA BAAB ...), so that neither a machine that gets slower nor what comes
// back every few runs, as the API server's garbage collection does, favours anybody.
func inTurn(sides []side, pair int) []side {
	s := slices.Clone(sides)
	if bits.OnesCount(uint(pair))%2 == 1 {
		slices.Reverse(s)
	}
	return s
}

// selection is which rows are wanted: `clusterip`, or `clusterip/bare`; `bridge`
// for all of the bridge. None means all.
type selection []string

// wants reports whether a row is selected. c is empty for rows without a chain.
func (s selection) wants(name string, c chain) bool {
	group, _, _ := strings.Cut(name, "/")
	return len(s) == 0 || slices.Contains(s, name) || slices.Contains(s, group) || slices.Contains(s, name+"/"+string(c))
}

// check returns an error if a selected row does not exist.
func (s selection) check() error {
	var names []string
	for _, r := range queryRows() {
		names = append(names, r.name)
	}
	alone := []string{bridgeGroup}
	for _, one := range stories() {
		alone = append(alone, one.rows...)
	}
	for _, word := range s {
		name, c, cut := strings.Cut(word, "/")
		inChain := slices.Contains(names, name) && (!cut || chain(c) == bare || chain(c) == kubeadm)
		if !inChain && !slices.Contains(alone, word) {
			return fmt.Errorf("no row is called %q; there are %s, each also with /%s or /%s, and %s",
				word, strings.Join(names, ", "), bare, kubeadm, strings.Join(alone, ", "))
		}
	}
	return nil
}
