package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		args  string
		shape shape
		pairs int
		time  time.Duration
	}{
		{"", whole(), 12, 3 * time.Second},
		{"-quick", small(), 2, time.Second},
		{"-quick -pairs 5", small(), 5, time.Second},
		{"-time 9s -quick -o json -only ptr,clusterip/bare", small(), 2, 9 * time.Second},
	} {
		o, err := parse(strings.Fields(tt.args), io.Discard)
		if err != nil || o.shape != tt.shape || o.pairs != tt.pairs || o.time != tt.time {
			t.Errorf("parse(%q) = %+v, %v", tt.args, o, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"-pairs 0", "-pairs 0"},
		{"-time 0s", "-time 0s"},
		{"-o yaml", `"yaml"`},
		{"-only clusterip,nothing", `"nothing"`},
		{"-ours /nowhere", "-ours"},
		{"more", `"more"`},
	} {
		if _, err := parse(strings.Fields(tt.args), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parse(%q) = %v, want %s in it", tt.args, err, tt.want)
		}
	}
}
