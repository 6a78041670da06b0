package zookeeper

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// curatorText is what is read of Curator's JSON of a ServiceInstance. Its other fields
// may be anything, and so may be more fields.
type curatorText struct {
	Address *string         `json:"address"`
	Port    *int            `json:"port"`
	SSLPort *int            `json:"sslPort"`
	Payload json.RawMessage `json:"payload"`
	URISpec json.RawMessage `json:"uriSpec"`
	Enabled json.RawMessage `json:"enabled"`
}

// curatorPlace is the part of it that says where the instance listens.
type curatorPlace struct {
	Address *string `json:"address"`
	Port    *int    `json:"port"`
	SSLPort *int    `json:"sslPort"`
}

// readCurator reads an instance as Curator writes it. Data without an address is none.
//
//	port                              the port "" on TCP
//	sslPort                           the port "https" on TCP, for https
//	a scheme that uriSpec says fixed  what the port "" is for
//	enabled false                     not ready
//	instance_status other than UP     not ready; it is in the metadata of the payload
//	other metadata of the payload     the endpoint's
func readCurator(data []byte) (instance, error) {
	var text curatorText
	err := json.Unmarshal(data, &text)
	in, err := curatorPlace{text.Address, text.Port, text.SSLPort}.instance(err)
	if err != nil {
		return instance{}, err
	}
	meta := payloadMeta(text.Payload)
	status := strings.TrimSpace(meta[statusName])
	in.down = string(text.Enabled) == "false" || status != "" && !strings.EqualFold(status, "UP")
	delete(meta, statusName)
	in.setMeta(meta)
	if scheme := fixedScheme(text.URISpec); scheme != "" {
		in.setApp(scheme)
	}
	return in, nil
}

// readMirrored reads an instance of a mirror, of which the side node says the rest: where
// it listens.
func readMirrored(data []byte) (instance, error) {
	var text curatorPlace
	err := json.Unmarshal(data, &text)
	return text.instance(err)
}

// instance is one that listens there; err is what became of reading its data.
func (t curatorPlace) instance(err error) (in instance, _ error) {
	switch {
	case err != nil && t.Address == nil:
		return in, fmt.Errorf("%w: %w", errForeign, err)
	case err != nil:
		return in, fmt.Errorf("data: %w", err)
	case t.Address == nil:
		return in, fmt.Errorf("%w: no address", errForeign)
	}
	in.host = catalog.ParseHost(*t.Address)
	if err := in.addPort(catalog.Port{}, t.Port); err != nil {
		return in, fmt.Errorf("port: %w", err)
	}
	if err := in.addPort(catalog.Port{Name: "https", App: "https"}, t.SSLPort); err != nil {
		return in, fmt.Errorf("sslPort: %w", err)
	}
	return in, nil
}

// setApp says what the port without a name is for.
func (in *instance) setApp(app string) {
	for i := range in.ports {
		if in.ports[i].Name == "" {
			in.ports[i].App = app
		}
	}
}

// statusName is the metadata in which Spring says whether an instance is to be used.
const statusName = "instance_status"

// Metadata that Spring's load balancer reads.
const (
	metaZone   = "zone"
	metaWeight = "weight"
)

// addPort adds a port on TCP if there is a number; 0 is none.
func (in *instance) addPort(p catalog.Port, number *int) error {
	if number == nil || *number == 0 {
		return nil
	}
	if *number < 0 || *number > 65535 {
		return fmt.Errorf("%d is out of range: %w", *number, registry.ErrInvalid)
	}
	p.Proto, p.Number = catalog.TCP, uint16(*number)
	in.ports = append(in.ports, p)
	return nil
}

// payloadMeta returns those metadata of a payload, of whatever class, that are texts.
func payloadMeta(payload json.RawMessage) map[string]string {
	var text struct {
		Metadata map[string]any `json:"metadata"`
	}
	if json.Unmarshal(payload, &text) != nil {
		return nil // of a class that has no such metadata
	}
	meta := make(map[string]string, len(text.Metadata))
	for k, v := range text.Metadata {
		if s, ok := v.(string); ok {
			meta[k] = s
		}
	}
	return meta
}

// setMeta takes over as much metadata as is kept, in the order of their names.
func (in *instance) setMeta(meta map[string]string) {
	maps.DeleteFunc(meta, func(k, _ string) bool { return strings.HasPrefix(k, "isthmus.dev/") })
	in.meta = cleanMeta(meta)
	if w, err := strconv.ParseUint(meta[metaWeight], 10, 16); err == nil {
		in.weight = int(w)
	}
}

// fixedScheme is what a uriSpec says before "://", in lower case, where that is no
// variable; else "".
func fixedScheme(spec json.RawMessage) string {
	var text struct {
		Parts []struct {
			Value    string `json:"value"`
			Variable bool   `json:"variable"`
		} `json:"parts"`
	}
	if json.Unmarshal(spec, &text) != nil {
		return ""
	}
	var fixed strings.Builder
	for _, p := range text.Parts {
		if p.Variable {
			break
		}
		fixed.WriteString(p.Value)
	}
	scheme, _, ok := strings.Cut(strings.ToLower(fixed.String()), "://")
	other := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("+-.", r)
	}
	if !ok || len(scheme) > 63 || strings.ContainsFunc(scheme, other) {
		return ""
	}
	return scheme
}
