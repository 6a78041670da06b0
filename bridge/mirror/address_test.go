package mirror

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
)

// exposed is a Service of that type with three endpoints on two nodes.
func exposed(kind, more string) string {
	return "service shop/web ClusterIP\n\taddr 10.0.0.1\n\tport http TCP 80\n\tport rpc TCP 81\n\tmeta type:=" + kind + "\n" + more + `
	endpoint 10.1.0.1 id=a ready serving node=n1 zone=z1
	endpoint 10.1.0.2 id=b node=N2
	endpoint 10.1.0.3 id=c ready serving node=n1
	endpoint 10.1.0.4 id=d ready serving
`
}

const (
	onPorts  = "\tmeta nodeport:http=30080\n\tmeta nodeport:rpc=30081\n"
	balanced = "\tmeta balancer:=\"192.0.2.1 lb.example.org\"\n\texternal 192.0.2.1\n\texternal lb.example.org\n\texternal 192.0.2.9\n"
)

func TestReach(t *testing.T) {
	node := func(name, addr, external string) *catalog.Node {
		n := &catalog.Node{Name: name, Host: catalog.ParseHost(addr)}
		if external != "" {
			n.Meta = map[string]string{catalog.NodeExternal: external}
		}
		return n
	}
	both := []*catalog.Node{node("n1", "10.2.0.1", "198.51.100.1"), node("n2", "10.2.0.2", "")}
	const ends = "10.1.0.1=true 10.1.0.2=false 10.1.0.3=true 10.1.0.4=true"
	tests := []struct {
		name   string
		source string
		policy AddressPolicy
		at     string
		nodes  []*catalog.Node
		want   string
	}{
		{"auto, a cluster's own", exposed("ClusterIP", ""), Auto, "", both, ends},
		{"auto, node ports", exposed("NodePort", onPorts), Auto, "", both, "10.2.0.2=false:30080:30081 198.51.100.1=true:30080:30081"},
		{"auto, node ports at internal addresses", exposed("NodePort", onPorts), Auto, "internal", both, "10.2.0.1=true:30080:30081 10.2.0.2=false:30080:30081"},
		{"auto, a load balancer comes before node ports", exposed("LoadBalancer", onPorts+balanced), Auto, "", both, "192.0.2.1=true:80:81 192.0.2.9=true:80:81 lb.example.org=true:80:81"},
		{"auto, a load balancer without an address yet", exposed("LoadBalancer", onPorts), Auto, "", both, ""},
		{"auto, external addresses come before node ports", exposed("NodePort", onPorts+"\texternal 192.0.2.9\n"), Auto, "", both, "192.0.2.9=true:80:81"},
		{"node ports of a load balancer", exposed("LoadBalancer", onPorts+balanced), NodePort, "internal", both, "10.2.0.1=true:30080:30081 10.2.0.2=false:30080:30081"},
		{"node ports at external addresses alone", exposed("NodePort", onPorts), Auto, "external", both, "198.51.100.1=true:30080:30081"},
		{"node ports of a node without an external address", exposed("NodePort", onPorts), NodePort, "external", []*catalog.Node{node("n1", "10.2.0.1", ""), both[1]}, ""},
		{"one of the nodes at an external address is not known", exposed("NodePort", onPorts), NodePort, "external", both[:1], "198.51.100.1=true:30080:30081\nreduced the address of node \"N2\" is not known: cannot be held"},
		{"no endpoints, no nodes at external addresses", "service shop/web ClusterIP\n\tport http TCP 80\n\tmeta type:=NodePort\n\tmeta nodeport:http=30080\n", Auto, "external", both, "none"},
		{"node ports that there are none of", exposed("ClusterIP", ""), NodePort, "", both, ""},
		{"one node port of two", exposed("NodePort", "\tmeta nodeport:rpc=30081\n"), NodePort, "internal", both, "10.2.0.1=true:30081 10.2.0.2=false:30081"},
		{"two nodes at one address", exposed("NodePort", onPorts), NodePort, "", []*catalog.Node{node("n1", "10.2.0.1", ""), node("n2", "10.2.0.1", "")}, "10.2.0.1=true:30080:30081"},
		{"one node is not known", exposed("NodePort", onPorts), NodePort, "internal", both[:1], "10.2.0.1=true:30080:30081\nreduced the address of node \"N2\" is not known: cannot be held"},
		{"no node is known", exposed("NodePort", onPorts), Auto, "", nil, "refused the address of node \"n1\" is not known: cannot be held"},
		{"asked for by a note, where nodes are not watched", exposed("NodePort", onPorts+"\tmeta isthmus.dev/address=nodeport\n"), Endpoints, "", both, "refused " + errBlind.Error()},
		{"no endpoints, no nodes", "service shop/web ClusterIP\n\tport http TCP 80\n\tmeta type:=NodePort\n\tmeta nodeport:http=30080\n", Auto, "", both, "none"},
		{"the load balancer's alone", exposed("LoadBalancer", balanced), LoadBalancer, "", nil, "192.0.2.1=true:80:81 lb.example.org=true:80:81"},
		{"what is external beside it", exposed("LoadBalancer", balanced), External, "", nil, "192.0.2.9=true:80:81"},
		{"no load balancer", exposed("ClusterIP", "\texternal 192.0.2.9\n"), LoadBalancer, "", nil, ""},
		{"endpoints, however it is exposed", exposed("LoadBalancer", onPorts+balanced), Endpoints, "", nil, ends},
		{"virtual, however it is exposed", exposed("LoadBalancer", onPorts+balanced), Virtual, "", nil, "10.0.0.1=true:80:81"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sides(t, map[catalog.Origin]string{src: tt.source, dst: ""})
			c.Feed(src).ReplaceNodes("", tt.nodes)
			r := rule()
			r.Address, r.Internal, r.Outside = tt.policy, tt.at == "internal", tt.at == "external"
			if diff := cmp.Diff(tt.want, wanted(c.Snapshot(), r).reached()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestReachByNote holds that a Service may ask for its node ports where a block
// of the rule watches nodes, be it for others.
func TestReachByNote(t *testing.T) {
	c := sides(t, map[catalog.Origin]string{src: exposed("NodePort", onPorts+"\tmeta isthmus.dev/address=nodeport\n"), dst: ""})
	c.Feed(src).ReplaceNodes("", []*catalog.Node{{Name: "n1", Host: catalog.ParseHost("10.2.0.1")}, {Name: "n2", Host: catalog.ParseHost("10.2.0.2")}})
	r := rule()
	r.Address = Endpoints
	blocks("others", address(NodePort))(r)
	if got, want := wanted(c.Snapshot(), r).reached(), "10.2.0.1=true:30080:30081 10.2.0.2=false:30080:30081"; got != want {
		t.Errorf("reached by %s, want %s", got, want)
	}
}

// reached is how the one service that is wanted is reached, and what is wrong.
func (w *Wanted) reached() (text string) {
	for _, kept := range w.Services {
		s := kept.Service()
		if len(s.Endpoints) == 0 {
			text = "none"
		}
		for i, e := range s.Endpoints {
			if i > 0 {
				text += " "
			}
			text += fmt.Sprintf("%s=%t", e.Host, e.Ready)
			for _, p := range e.Ports {
				text += fmt.Sprintf(":%d", p.Number)
			}
		}
	}
	for _, f := range w.Refused {
		text += "refused " + f.Why
	}
	for _, f := range w.Reduced {
		text += "\nreduced " + f.Why
	}
	return text
}

// TestNodesMove holds that a mirror follows its nodes, though its original
// stays as it is.
func TestNodesMove(t *testing.T) {
	c := sides(t, map[catalog.Origin]string{src: exposed("NodePort", onPorts), dst: ""})
	r, m := rule(), &memo{}
	for _, addr := range []string{"10.2.0.1", "10.2.0.9"} {
		c.Feed(src).ReplaceNodes("", []*catalog.Node{{Name: "n1", Host: catalog.ParseHost(addr)}, {Name: "n2", Host: catalog.ParseHost("10.2.1.0")}})
		s := c.Snapshot()
		got := desired(s, r, m.round(sourceOf(s, r), MirrorsOf(s, r, asIs))).reached()
		if want := addr + "=true:30080:30081 10.2.1.0=false:30080:30081"; got != want {
			t.Errorf("reached by %s, want %s", got, want)
		}
	}
}
