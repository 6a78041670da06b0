package stanza

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpand(t *testing.T) {
	env := map[string]string{"ADDR": "http://127.0.0.1:8500", "DIR": "/etc"}
	all, err := Parse("f", []byte("consul dc1 {$ADDR} {\n\ttoken_file {$DIR}/token-{$DIR}\n\tname {service}-{namespace}\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Expand(all, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	want := []Stanza{{File: "f", Line: 1, Words: []string{"consul", "dc1", "http://127.0.0.1:8500"}, Open: true, Block: []Stanza{
		{File: "f", Line: 2, Words: []string{"token_file", "/etc/token-/etc"}, Block: []Stanza{}},
		{File: "f", Line: 3, Words: []string{"name", "{service}-{namespace}"}, Block: []Stanza{}},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Expand (-want +got):\n%s", diff)
	}
	_, err = Expand([]Stanza{{File: "f", Line: 3, Words: []string{"a", "x{$NONE}"}}}, func(string) string { return "" })
	if err == nil || err.Error() != `f:3: word "x{$NONE}": the environment variable "NONE" is not set` {
		t.Errorf("Expand of an unset variable: %v", err)
	}
}
