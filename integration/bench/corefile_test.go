package main

import (
	"strings"
	"testing"
)

// What differs between the two servers is one word.
func TestCorefileIsTheSameForBoth(t *testing.T) {
	for _, c := range []chain{bare, kubeadm} {
		s := setting{side: stock, chain: c, kubeconfig: "/k", upstream: "127.0.0.1:1", ports: ports{1, 2, 3, 4, 5}}
		theirs := s.corefile()
		s.side = ours
		if got, want := s.corefile(), strings.Replace(theirs, "    kubernetes ", "    isthmus ", 1); got != want || got == theirs {
			t.Errorf("%s: ours is\n%s\nstock is\n%s", c, got, theirs)
		}
	}
}

func TestCorefileOfTheFloor(t *testing.T) {
	s := setting{side: floor, chain: bare, profiled: true, ports: ports{dns: 1053, pprof: 6053}}
	want := ".:1053 {\n    bind 127.0.0.1\n    pprof 127.0.0.1:6053\n    constant\n}\n"
	if got := s.corefile(); got != want {
		t.Errorf("corefile() = %q, want %q", got, want)
	}
}
