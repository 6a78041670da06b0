package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// target is a registry that the bridge writes to, as somebody sees it who asks the
// server itself.
type target interface {
	// births says when each service was made, by name, where one can be found.
	births(ctx context.Context) (map[string]string, error)
	// held returns the addresses of each service, sorted.
	held(ctx context.Context) (map[string][]string, error)
	// version changes with whatever is written.
	version(ctx context.Context) (string, error)
}

// mirrored is a registry of one world's own, which its bridge mirrors the cluster into.
type mirrored interface {
	target
	name() string   // of its gate, its links and its watch
	origin() string // as the bridge's file calls it
	servers() []string
	// before listens before a server, which is reached through a gate there, until what
	// it returns is called.
	before(g *gate, server string) (addr string, stop func(), err error)
	// stanza is that of the bridge's file, which finds the servers at these addresses
	// and secrets in a folder.
	stanza(at []string, folder string) string
	// grant gives the bridge the rights that its program prints.
	grant(ctx context.Context, rights, folder string) error
}

// source is one whose own users' services are mirrored back into the cluster.
type source interface {
	mirrored
	native(what string) string // is the name of a service of its users
	natives(ctx context.Context) (map[string][]string, error)
	register(ctx context.Context, name, address string) error
	deregister(ctx context.Context, name string) error
}

// oldest keeps the least number of each name.
type oldest map[string]uint64

func (o oldest) add(name string, number uint64) {
	if old, there := o[name]; !there || number < old {
		o[name] = number
	}
}

func (o oldest) texts() map[string]string {
	all := make(map[string]string, len(o))
	for name, number := range o {
		all[name] = fmt.Sprint(number)
	}
	return all
}

func sortAll(all map[string][]string) map[string][]string {
	for _, addresses := range all {
		slices.Sort(addresses)
	}
	return all
}

// kubeTarget is a namespace of the cluster.
type kubeTarget struct {
	api       kubernetes.Interface
	namespace string
}

// births are those of Services with an address.
func (k *kubeTarget) births(ctx context.Context) (map[string]string, error) {
	held, err := k.held(ctx)
	if err != nil {
		return nil, err
	}
	services, err := k.api.CoreV1().Services(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, s := range services.Items {
		if len(held[s.Name]) > 0 {
			all[s.Name] = string(s.UID)
		}
	}
	return all, nil
}

func (k *kubeTarget) held(ctx context.Context) (map[string][]string, error) {
	list, err := k.api.DiscoveryV1().EndpointSlices(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	all := map[string][]string{}
	for _, s := range list.Items {
		name := s.Labels[discoveryv1.LabelServiceName]
		for _, e := range s.Endpoints {
			all[name] = append(all[name], e.Addresses...)
		}
	}
	return sortAll(all), nil
}

func (k *kubeTarget) version(ctx context.Context) (string, error) {
	services, err := k.api.CoreV1().Services(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	list, err := k.api.DiscoveryV1().EndpointSlices(k.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	fences, err := k.api.CoreV1().ConfigMaps("isthmus").List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	var all []string
	for _, f := range fences.Items {
		if f.Name == "isthmus-fence-"+strings.TrimPrefix(k.namespace, "in-") { // not another world's
			all = append(all, f.Name+"="+f.ResourceVersion)
		}
	}
	for _, s := range services.Items {
		all = append(all, s.Name+"="+s.ResourceVersion)
	}
	for _, s := range list.Items {
		all = append(all, s.Name+"="+s.ResourceVersion)
	}
	slices.Sort(all)
	return strings.Join(all, " "), nil
}

// differences names what is not as it should be, a few of it.
func differences(want, got map[string][]string) string {
	var all []string
	for name, addresses := range want {
		if !slices.Equal(got[name], addresses) {
			all = append(all, fmt.Sprintf("%s has %v, should have %v", name, got[name], addresses))
		}
	}
	for name, addresses := range got {
		if _, there := want[name]; !there {
			all = append(all, fmt.Sprintf("%s has %v, should not be", name, addresses))
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("%d services differ: %s", len(all), strings.Join(all[:min(len(all), 5)], "; "))
}
