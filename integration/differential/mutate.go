package differential

import (
	"fmt"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// maker thinks up changes of a state.
type maker struct {
	rng     *rand.Rand
	s       *state
	touched map[string]bool // an object changes once in a batch, so that its writes need no order
	changes []change
}

// mutate returns n changes, or a few less, that can be written in any order.
func mutate(rng *rand.Rand, s *state, n int) []change {
	m := &maker{rng: rng, s: s, touched: map[string]bool{}}
	ops := []func(){
		m.service, m.service, m.service, m.relabel, m.slice, m.slice, m.slice, m.slice, m.flip, m.flip, m.flip,
		m.pod, m.pod, m.space, m.imported, m.imported, m.importSlice, m.importSlice, m.importSlice,
	}
	for range n {
		ops[m.rng.IntN(len(ops))]()
	}
	return m.changes
}

func (m *maker) pick(all ...string) string { return all[m.rng.IntN(len(all))] }

// change records one, unless the object changes already.
func (m *maker) change(o object, gone bool) {
	id := fmt.Sprintf("%T %s/%s", o, o.GetNamespace(), o.GetName())
	if !m.touched[id] {
		m.touched[id] = true
		m.changes = append(m.changes, change{o, gone})
	}
}

// passing are namespaces that come and go.
func passing() []string { return []string{"delta", "epsilon"} }

// spaceFor returns a namespace that is there.
func (m *maker) spaceFor() string {
	spaces := []string{"alpha", "alpha", "beta", "gamma", longLabel("n")}
	for _, ns := range passing() {
		if m.s.namespaces[ns] != nil && !m.touched["space "+ns] {
			spaces = append(spaces, ns)
		}
	}
	ns := m.pick(spaces...)
	m.touched["in "+ns] = true
	return ns
}

// randomName returns a name that the fixtures have not.
func (m *maker) randomName() string { return fmt.Sprintf("r%d", m.rng.IntN(8)) }

// service makes one that is not there, or deletes or changes one that is.
func (m *maker) service() {
	k := key{m.spaceFor(), m.randomName()}
	have := m.s.services[k]
	switch {
	case have == nil:
		m.change(m.newService(k), false)
	case m.rng.IntN(3) == 0 || isHeadless(have):
		m.change(have, true)
	default:
		svc := have.DeepCopy()
		if isAlias(svc) {
			svc.Spec.ExternalName = m.target()
		} else {
			svc.Spec.Ports = servicePorts(m.ports())
			svc.Spec.ExternalIPs = m.outerIPs()
		}
		m.change(svc, false)
	}
}

func (m *maker) newService(k key) *corev1.Service {
	switch m.rng.IntN(5) {
	case 0:
		return alias(k.namespace, k.name, m.target())
	case 1, 2:
		if m.rng.IntN(6) == 0 {
			return headless(k.namespace, k.name)
		}
		return headless(k.namespace, k.name, m.ports()...)
	}
	svc := virtual(k.namespace, k.name, m.ips(), m.ports()...)
	switch m.rng.IntN(4) {
	case 0:
		svc.Spec.Type = corev1.ServiceTypeNodePort
	case 1:
		svc.Spec.Type = corev1.ServiceTypeLoadBalancer
		svc.Spec.ExternalIPs = m.outerIPs()
		svc.Status.LoadBalancer.Ingress = m.ingress()
	case 2:
		svc.Spec.PublishNotReadyAddresses = true
		svc.Spec.ExternalIPs = m.outerIPs()
	}
	if m.rng.IntN(4) == 0 {
		delete(svc.Labels, label)
	}
	return svc
}

// ips returns virtual addresses of one family or both that nobody has.
func (m *maker) ips() []string {
	for {
		n := 1 + m.rng.IntN(120)
		v4, v6 := fmt.Sprintf("10.96.16.%d", n), fmt.Sprintf("fd00:10:96::16%02x", n)
		if m.touched[v4] || m.holds(v4) || m.holds(v6) {
			continue
		}
		m.touched[v4] = true
		return [][]string{{v4}, {v6}, {v4, v6}, {v6, v4}}[m.rng.IntN(4)]
	}
}

func (m *maker) holds(ip string) bool {
	for _, svc := range m.s.services {
		if slices.Contains(svc.Spec.ClusterIPs, ip) {
			return true
		}
	}
	return false
}

func (m *maker) target() string {
	return m.pick("host.example", "other.example", "nx.example", "alias.example", "web.alpha.svc.cluster.local", "head.alpha.svc.cluster.local",
		m.randomName()+".alpha.svc.cluster.local", m.randomName()+".gamma.svc.cluster.local", "r0.beta.svc.example.net")
}

// ports returns one unnamed port, or some with names.
func (m *maker) ports() []string {
	if m.rng.IntN(6) == 0 {
		return []string{m.pick(":80/TCP", ":53/UDP", ":9/SCTP")}
	}
	all := []string{"http:80/TCP", "https:443/TCP", "dns:53/UDP", "dns-tcp:53/TCP", "sctp:9/SCTP", "alt:8080/TCP"}
	m.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+m.rng.IntN(4)]
}

// slice makes, changes or deletes a slice, mostly of a service that is there.
func (m *maker) slice() {
	ns, service := m.spaceFor(), m.randomName()
	k := key{ns, service + "-" + m.pick("a", "b", "6")}
	if have := m.s.slices[k]; have != nil && m.rng.IntN(4) == 0 {
		m.change(have, true)
		return
	}
	var ports []string
	if m.rng.IntN(8) > 0 {
		ports = m.ports()
	}
	var all []discoveryv1.Endpoint
	for range m.rng.IntN(6) {
		all = append(all, m.endpoint(k.name[len(k.name)-1] == '6'))
	}
	s := slice(ns, k.name, service, ports, all...)
	if k.name[len(k.name)-1] == '6' {
		s.AddressType = discoveryv1.AddressTypeIPv6
	}
	if m.rng.IntN(6) == 0 {
		delete(s.Labels, label)
	}
	m.change(s, false)
}

func (m *maker) endpoint(v6 bool) discoveryv1.Endpoint {
	n := 1 + m.rng.IntN(40)
	addr := fmt.Sprintf("10.244.16.%d", n)
	if v6 {
		addr = fmt.Sprintf("fd00:10:244::16:%x", n)
	}
	if m.rng.IntN(4) == 0 {
		n = 1 + n%16
		addr = lonely(n-1, v6)
	}
	words := []string{m.pick("", "", "", "unready", "terminating", "unknown")}
	if m.rng.IntN(3) == 0 {
		words = append(words, "host="+m.pick("one", "two", "three"))
	}
	// An address is of one zone and of one pod.
	words = append(words, [][]string{nil, {"zone=eu-1a"}, {"zone=EU-1b", fmt.Sprintf("pod=p-%d", n)}, {"zone=eu.west", "pod=" + longLabel("p") + "-too-long"}}[n%4]...)
	return at(addr, words...)
}

// lonely are addresses that nothing else is near, so that what leads to them
// comes and goes with them.
func lonely(n int, v6 bool) string {
	if v6 {
		return fmt.Sprintf("fd01:%x::1", n+1)
	}
	return fmt.Sprintf("10.%d.7.1", 200+n)
}

// flip makes a ready endpoint unready, or the other way round.
func (m *maker) flip() {
	keys := m.s.sliceKeys()
	keys = slices.DeleteFunc(keys, func(k key) bool { return k.name[0] != 'r' || len(m.s.slices[k].Endpoints) == 0 })
	if len(keys) == 0 {
		return
	}
	s := m.s.slices[keys[m.rng.IntN(len(keys))]].DeepCopy()
	e := &s.Endpoints[m.rng.IntN(len(s.Endpoints))]
	ready := !isReady(e)
	e.Conditions.Ready = &ready
	m.change(s, false)
}

// relabel lets the variant labels see what it did not, or the other way round.
func (m *maker) relabel() {
	k := key{m.spaceFor(), m.randomName()}
	if have := m.s.services[k]; have != nil {
		svc := have.DeepCopy()
		if svc.Labels[label] == "" {
			svc.Labels = map[string]string{label: labelValue}
		} else {
			delete(svc.Labels, label)
		}
		m.change(svc, false)
	}
}

// pod makes, moves, ends or deletes a pod.
func (m *maker) pod() {
	k := key{m.spaceFor(), fmt.Sprintf("p%d", m.rng.IntN(4))}
	have := m.s.pods[k]
	if have != nil && m.rng.IntN(4) == 0 {
		m.change(have, true)
		return
	}
	n := 1 + m.rng.IntN(40)
	p := pod(k.namespace, k.name, fmt.Sprintf("10.244.16.%d", n), fmt.Sprintf("fd00:10:244::16:%x", n))
	if have != nil && m.rng.IntN(3) == 0 {
		p.Status.Phase = corev1.PodSucceeded
	}
	m.change(p, false)
}

// space lets a namespace come or go, or moves it in or out of the selection.
func (m *maker) space() {
	if m.rng.IntN(2) == 0 {
		ns := m.pick("gamma", "beta")
		m.change(namespace(ns, m.s.namespaces[ns].Labels[spaceLabel] == ""), false)
		return
	}
	ns := m.pick(passing()...)
	switch {
	case m.s.namespaces[ns] == nil:
		m.change(namespace(ns, m.rng.IntN(2) == 0), false)
	case m.touched["in "+ns]:
	case m.isEmpty(ns):
		m.touched["space "+ns] = true
		m.change(m.s.namespaces[ns], true)
	default:
		m.empty(ns)
	}
}

// empty deletes all that is in a namespace.
func (m *maker) empty(ns string) {
	m.touched["space "+ns] = true
	deleteIn(m, ns, m.s.services)
	deleteIn(m, ns, m.s.slices)
	deleteIn(m, ns, m.s.pods)
	deleteIn(m, ns, m.s.imports)
	deleteIn(m, ns, m.s.importSlices)
}

// deleteIn deletes those of all that are in a namespace.
func deleteIn[O object](m *maker, ns string, all map[key]O) {
	for k, o := range all {
		if k.namespace == ns {
			m.change(o, true)
		}
	}
}

// isEmpty reports whether nothing is in a namespace: nobody else would delete
// what is left in one that goes.
func (m *maker) isEmpty(ns string) bool {
	for k := range m.s.services {
		if k.namespace == ns {
			return false
		}
	}
	for k := range m.s.slices {
		if k.namespace == ns {
			return false
		}
	}
	for k := range m.s.pods {
		if k.namespace == ns {
			return false
		}
	}
	for k := range m.s.imports {
		if k.namespace == ns {
			return false
		}
	}
	for k := range m.s.importSlices {
		if k.namespace == ns {
			return false
		}
	}
	return true
}
