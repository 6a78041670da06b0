package isthmus

import (
	"context"
	"strings"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/coredns/coredns/request"
)

// Metadata implements metadata.Provider: it says how the question's name is
// read, under the keys that the kubernetes plugin uses, because rules of
// *view*, *log* and *rewrite* name those. It looks nothing up.
func (p *Isthmus) Metadata(ctx context.Context, state request.Request) context.Context {
	if metadata.ValueFuncs(ctx) == nil {
		return ctx // nobody collects it
	}
	p.tellClient(ctx, state)
	name := state.Name()
	q, ours := p.conf.zones.parse(name)
	if !ours || !p.conf.zones[q.zone].ofCluster() {
		return ctx
	}
	tree, ok := q.tree(name)
	if !ok || q.where != "" && !p.conf.zonal {
		metadata.SetValueFunc(ctx, "kubernetes/parse-error", func() string { return "invalid query name" })
		return ctx
	}
	set := func(key, value string) {
		metadata.SetValueFunc(ctx, "kubernetes/"+key, func() string { return value })
	}
	set("kind", tree)
	set("namespace", q.key.Namespace)
	set("protocol", q.proto)
	set("port-name", q.port)
	if p.conf.zonal {
		set("zone", q.where)
	}
	if q.kind == kindPod {
		set("service", q.host)
		set("endpoint", "")
	} else {
		set("service", q.key.Name)
		host, cluster := q.cutCluster()
		set("endpoint", host)
		if p.conf.zones[q.zone].multicluster {
			set("cluster", cluster)
		}
	}
	return ctx
}

// tellClient says which pod asks, where that is known.
func (p *Isthmus) tellClient(ctx context.Context, state request.Request) {
	pod := p.views.newest.Load().client(state)
	if pod == nil {
		return
	}
	metadata.SetValueFunc(ctx, "kubernetes/client-namespace", func() string { return pod.Namespace })
	metadata.SetValueFunc(ctx, "kubernetes/client-pod-name", func() string { return pod.Name })
	for label, value := range pod.Meta {
		metadata.SetValueFunc(ctx, "kubernetes/client-label/"+label, func() string { return value })
	}
}

// tree returns "svc" or "pod", below which name stands that q was read from,
// or "" if it stands above them. It is false for a name in neither.
func (q *query) tree(name string) (string, bool) {
	switch q.kind {
	case kindApex:
		return "", true
	case kindBranch:
		return "", !strings.HasPrefix(name, "dns.")
	case kindService, kindEndpoint, kindPort, kindZonal:
		return "svc", true
	case kindPod:
		return "pod", true
	case kindNamespace, kindPods:
		tree, _, _ := strings.Cut(name[len(q.key.Namespace)+1:], ".")
		return tree, true
	}
	return "", false
}
