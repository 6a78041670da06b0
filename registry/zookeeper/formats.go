package zookeeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// member is how the nodes of a server set begin.
const member = "member_"

// address is where something listens, as server sets write it.
type address struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// readServerset reads a member of a server set.
//
//	serviceEndpoint       the port "" on TCP
//	additionalEndpoints   ports on TCP by their names; one at another host is refused
//	status                other than ALIVE: not ready
func readServerset(data []byte) (instance, error) {
	var text struct {
		Service    *address           `json:"serviceEndpoint"`
		Additional map[string]address `json:"additionalEndpoints"`
		Status     string             `json:"status"`
	}
	if err := json.Unmarshal(data, &text); err != nil {
		return instance{}, fmt.Errorf("data: %w", err)
	}
	if text.Service == nil {
		return instance{}, fmt.Errorf("no serviceEndpoint: %w", registry.ErrInvalid)
	}
	in := instance{host: catalog.ParseHost(text.Service.Host), down: text.Status != "ALIVE"}
	if err := in.addPort(catalog.Port{}, &text.Service.Port); err != nil {
		return instance{}, fmt.Errorf("serviceEndpoint: port: %w", err)
	}
	if len(text.Additional) > maxAdditional {
		return instance{}, fmt.Errorf("%d additional endpoints, at most %d: %w", len(text.Additional), maxAdditional, registry.ErrInvalid)
	}
	var odd []error
	for _, name := range slices.Sorted(maps.Keys(text.Additional)) {
		if err := in.addNamed(name, text.Additional[name]); err != nil {
			odd = append(odd, fmt.Errorf("additional endpoint %q: %w", catalog.Brief(name), err))
		}
	}
	in.odd = brief(errors.Join(odd...))
	return in, nil
}

// maxAdditional is how many named ports a member of a server set may have.
const maxAdditional = 64

// addNamed adds the port of an additional endpoint.
func (in *instance) addNamed(name string, at address) error {
	name = strings.ToLower(name)
	if err := checkLabel(name); err != nil {
		return fmt.Errorf("%w: %w", err, registry.ErrInvalid)
	}
	if at.Host != "" && catalog.ParseHost(at.Host) != in.host {
		return fmt.Errorf("at another host, %q: %w", catalog.Brief(at.Host), registry.ErrInvalid)
	}
	return in.addPort(catalog.Port{Name: name}, &at.Port)
}

// readNerve reads an instance as Nerve writes it. Data without a host is none.
func readNerve(data []byte) (instance, error) {
	var text struct {
		Host   *string `json:"host"`
		Port   *int    `json:"port"`
		Weight int     `json:"weight"`
	}
	if err := json.Unmarshal(data, &text); err != nil {
		if text.Host == nil {
			return instance{}, fmt.Errorf("%w: %w", errForeign, err)
		}
		return instance{}, fmt.Errorf("data: %w", err)
	}
	if text.Host == nil {
		return instance{}, fmt.Errorf("%w: no host", errForeign)
	}
	in := instance{host: catalog.ParseHost(*text.Host), weight: min(max(text.Weight, 0), maxWeight)}
	if err := in.addPort(catalog.Port{}, text.Port); err != nil {
		return instance{}, fmt.Errorf("port: %w", err)
	}
	return in, nil
}
