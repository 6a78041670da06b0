package consul

import (
	"encoding/json"
	"testing"

	"github.com/hashicorp/consul/api"
	"pgregory.net/rapid"
)

// TestSizeOf holds that a step is never larger than it is taken for, and not much
// smaller.
func TestSizeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.String().Draw(t, name) }
		all, err := layout{namespace: "consul", owner: "own", nodes: 256}.encode(mirror("own", "web", 1))
		if err != nil {
			t.Fatal(err)
		}
		e := all[0]
		e.Service.Meta = rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "meta")
		e.Service.Tags = rapid.SliceOf(rapid.String()).Draw(t, "tags")
		e.Service.Address, e.Checks[0].Output, e.Checks[0].Notes = text("address"), text("output"), text("notes")
		e.Service.ModifyIndex, e.Checks[0].ModifyIndex = rapid.Uint64().Draw(t, "index"), 1<<64-1
		ops := api.TxnOps{putService(e), putCheck(e)}
		body, err := encodeOps(ops)
		if err != nil {
			t.Fatal(err)
		}
		if got := sizeOf(ops); got < len(body) || got > 6*len(body) {
			t.Fatalf("taken for %d bytes, is %d: %s", got, len(body), body)
		}
	})
}

// TestEncodeOps holds that what is sent says the same as Consul's own client would.
func TestEncodeOps(t *testing.T) {
	all, err := layout{namespace: "consul", owner: "own", nodes: 256}.encode(mirror("own", "web", 1))
	if err != nil {
		t.Fatal(err)
	}
	node := api.Node{Node: "own-01", Address: nodeAddress, Meta: nodeMeta("own")}
	ops := api.TxnOps{{Node: &api.NodeTxnOp{Verb: api.NodeCAS, Node: node}}, putService(all[0]), putCheck(all[0])}
	body, err := encodeOps(ops)
	if err != nil {
		t.Fatal(err)
	}
	var got api.TxnOps
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	sent, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := json.Marshal(ops); err != nil || string(want) != string(sent) {
		t.Errorf("sent %s\nwant %s, %v", sent, want, err)
	}
}
