package consul

import (
	"net/url"

	"github.com/hashicorp/consul/api"
)

// tenant is the part of a Consul Enterprise that is read and written; "" leaves
// it to the token, and is all that other Consuls know.
type tenant struct{ partition, namespace string }

// ask adds the tenant to a query.
func (t tenant) ask(q url.Values) {
	if t.partition != "" {
		q.Set("partition", t.partition)
	}
	if t.namespace != "" {
		q.Set("ns", t.namespace)
	}
}

// own lets operations concern the tenant's records: a transaction does not look
// at its query for that.
func (t tenant) own(ops api.TxnOps) {
	if t == (tenant{}) {
		return
	}
	for _, op := range ops {
		switch {
		case op.Node != nil:
			op.Node.Node.Partition = t.partition
		case op.Service != nil:
			op.Service.Service.Partition, op.Service.Service.Namespace = t.partition, t.namespace
		case op.Check != nil:
			op.Check.Check.Partition, op.Check.Check.Namespace = t.partition, t.namespace
		}
	}
}

// suffix is what makes the tenant a registry of its own.
func (t tenant) suffix() string {
	if t == (tenant{}) {
		return ""
	}
	return ":" + t.partition + "/" + t.namespace
}
