package consul

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/hashicorp/consul/api"
)

// What follows are operations without what they do not set, which is half of a
// check as Consul's own client would send it.

type sentOp struct {
	Node    *api.NodeTxnOp    `json:",omitempty"`
	Service *api.ServiceTxnOp `json:",omitempty"`
	Check   *sentCheckOp      `json:",omitempty"`
}

type sentCheckOp struct {
	Verb  api.CheckOp
	Check sentCheck
}

// sentCheck is a check whose definition, by which an agent would run it, is left
// out: nobody runs it.
type sentCheck struct {
	api.HealthCheck
	Definition *struct{} `json:",omitempty"`
}

// encodeOps returns the body of a transaction.
func encodeOps(ops api.TxnOps) ([]byte, error) {
	all := make([]sentOp, len(ops))
	for i, o := range ops {
		all[i] = sentOp{Node: o.Node, Service: o.Service}
		if o.Check != nil {
			all[i].Check = &sentCheckOp{o.Check.Verb, sentCheck{HealthCheck: o.Check.Check}}
		}
	}
	return json.Marshal(all)
}

// opSize is at least what an operation takes beside its texts.
const opSize = 400

// sizeOf is at least what operations take in a transaction, without encoding them.
func sizeOf(ops api.TxnOps) int {
	n := 0
	for _, o := range ops {
		n += opSize
		if o.Service != nil {
			s := &o.Service.Service
			n += textSize(o.Service.Node, s.ID, s.Service, s.Address, s.Namespace, s.Partition) + textSize(s.Tags...)
			for k, v := range s.Meta {
				n += textSize(k, v)
			}
		}
		if o.Check != nil {
			c := &o.Check.Check
			n += textSize(c.Node, c.CheckID, c.Name, c.Status, c.Notes, c.Output, c.ServiceID, c.ServiceName, c.Type, c.Namespace, c.Partition)
		}
	}
	return n
}

// textSize is at least what texts take in JSON, each with its marks.
func textSize(all ...string) int {
	n := 0
	for _, text := range all {
		n += len(text) + 4
		for i := range len(text) {
			if c := text[i]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
				n += 5
			}
		}
	}
	return n
}
