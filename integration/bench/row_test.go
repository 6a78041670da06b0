package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInTurn(t *testing.T) {
	sides, backwards := []side{ours, stock, floor}, []side{floor, stock, ours}
	for pair, want := range [][]side{sides, backwards, backwards, sides, backwards, sides, sides, backwards} {
		if got := inTurn(sides, pair); !cmp.Equal(got, want) {
			t.Errorf("inTurn(%d) = %v, want %v", pair, got, want)
		}
	}
}

func TestSelection(t *testing.T) {
	for _, tt := range []struct {
		selection selection
		row       string
		chain     chain
		want      bool
	}{
		{nil, "clusterip", bare, true},
		{selection{"clusterip"}, "clusterip", kubeadm, true},
		{selection{"clusterip/bare"}, "clusterip", bare, true},
		{selection{"clusterip/bare"}, "clusterip", kubeadm, false},
		{selection{"bridge"}, "bridge/etcd", "", true},
		{selection{"bridge/etcd"}, "bridge/etcd", "", true},
		{selection{"bridge/etcd"}, "bridge/consul", "", false},
		{selection{"ptr", "srv-tcp"}, "clusterip", bare, false},
	} {
		if got := tt.selection.wants(tt.row, tt.chain); got != tt.want {
			t.Errorf("%v.wants(%q, %q) = %v, want %v", tt.selection, tt.row, tt.chain, got, tt.want)
		}
	}
	for _, tt := range []struct {
		word string
		ok   bool
	}{{"clusterip", true}, {"srv-udp/kubeadm", true}, {"relist", true}, {"relist/bare", false}, {"bridge", true}, {"bridge/etcd", true}, {"bridge/zookeeper", true}, {"bridge/znode-dns", true}, {"bridge/x", false}, {"clusterip/", false}, {"clusterip/x", false}, {"x", false}, {"", false}} {
		if err := (selection{tt.word}).check(); (err == nil) != tt.ok {
			t.Errorf("check(%q) = %v, want ok %v", tt.word, err, tt.ok)
		}
	}
}
