package consul

import (
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/consul/api"
)

// receive decodes an answer by what is to become encoding/json's next version. A
// bridge that starts reads a hundred megabytes of them; by the present version that
// took it two to six times as long, and twice the garbage. A text that is no UTF-8 is
// mended as by the present one, and takes nothing with it.
func receive(from io.Reader, out any) error {
	return json.UnmarshalRead(from, out, jsontext.AllowInvalidUTF8(true))
}

// What follows are the types of Consul's own client without those members that
// nothing here reads, of which some decode themselves slowly.

// seenService is a service as it is read.
type seenService struct {
	api.AgentService
	Proxy, Connect, AI unread
}

// seenCheck is a check as it is read.
type seenCheck struct {
	api.HealthCheck
	Definition unread
}

// seenEntry is an instance as it is read.
type seenEntry struct {
	Node    *api.Node
	Service *seenService
	Checks  []seenCheck
}

// unread stands in for an object that is passed over.
type unread struct{}

// stands is all that says whether an instance is another than it was.
type stands struct {
	ID, Service string
	ModifyIndex uint64
}

// plainEntries are instances as Consul's own client would have them.
func plainEntries(list []seenEntry) []*api.ServiceEntry {
	all := make([]*api.ServiceEntry, 0, len(list))
	for i := range list {
		all = append(all, list[i].plain())
	}
	return all
}

// plain returns e as one of them. It shares what e points to.
func (e *seenEntry) plain() *api.ServiceEntry {
	p := &api.ServiceEntry{Node: e.Node, Checks: make(api.HealthChecks, 0, len(e.Checks))}
	if e.Service != nil {
		p.Service = &e.Service.AgentService
	}
	for i := range e.Checks {
		p.Checks = append(p.Checks, &e.Checks[i].HealthCheck)
	}
	return p
}
