package consul

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"
)

// received decodes instances as the client does.
func received(text string) ([]*api.ServiceEntry, error) {
	var list []seenEntry
	err := receive(strings.NewReader(text), &list)
	return plainEntries(list), err
}

// TestReceive holds that an answer means what it does to Consul's own client, but for
// what nothing here reads, and that an instance which is null is one without anything.
func TestReceive(t *testing.T) {
	const text = `[null, {"Node": {"ID": "5f", "Node": "n1", "Address": "192.0.2.1", "Datacenter": "dc1", "Meta": {"a": "b"},
		"TaggedAddresses": {"lan": "192.0.2.1"}, "Locality": {"Region": "r", "Zone": "z"}, "Unknown": [1, {"x": null}]},
	"Service": {"Kind": "", "ID": "web-1", "Service": "web", "Tags": ["x"], "Meta": {"k": "v"}, "Port": 80, "Address": "192.0.2.2",
		"TaggedAddresses": {"lan_ipv4": {"Address": "192.0.2.2", "Port": 80}}, "Weights": {"Passing": 3, "Warning": 1}, "EnableTagOverride": true,
		"Proxy": {"Mode": "", "Config": {"local_connect_timeout_ms": 1}, "Expose": {}}, "Connect": {"Native": true}, "PeerName": "",
		"Locality": null, "CreateIndex": 5, "ModifyIndex": 18446744073709551615},
	"Checks": [{"Node": "n1", "CheckID": "c", "Name": "alive", "Status": "passing", "Notes": "", "Output": "\u00fc\n", "ServiceID": "web-1", "ServiceName": "web",
		"ServiceTags": ["x"], "Type": "http", "Interval": "10s", "ExposedPort": 0, "Definition": {"HTTP": "http://192.0.2.2", "Interval": "10s"}, "CreateIndex": 6, "ModifyIndex": 7}]}]`
	var want []*api.ServiceEntry
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	want[0] = &api.ServiceEntry{Checks: api.HealthChecks{}}
	want[1].Service.Proxy, want[1].Service.Connect = nil, nil
	want[1].Checks[0].Definition = api.HealthCheckDefinition{}
	got, err := received(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReceiveBad holds that what is no answer is an error.
func TestReceiveBad(t *testing.T) {
	for _, text := range []string{``, `[`, `[{}`, `{}`, `"x"`, `[{"Service": []}]`, `[{"Service": {"Port": "80"}}]`, `[{"Checks": [{"ModifyIndex": -1}]}]`, `<html>`, `[]x`, `[{"Node": {}, "Node": {}}]`} {
		if got, err := received(text); err == nil {
			t.Errorf("%q became %v", text, got)
		}
	}
}
