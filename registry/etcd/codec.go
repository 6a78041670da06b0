package etcd

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// record is one etcd key of the zone, read or to be written.
type record struct {
	key    string
	place  place
	mod    int64  // its revision
	digest digest // of the value, of our own records only
	err    error  // why it is refused
	host   catalog.Host
	port   int // noPort without
	weight int
	// priority is 0 where the record does not say; SkyDNS then means defaultPriority.
	priority int
	ttl      int // seconds; 0: not said
	mark     *mark
	// What external-dns wrote or keeps account of.
	external, heritage bool
	noHost             bool // a text, no endpoint
	reverse            bool // of an address; of the service at place if that is ours
	// Of what is just as encode made it, in one go and beside nothing of others;
	// nil of what was read.
	made *made
}

// made is one use of encode.
type made struct{ records int }

// noPort keeps the stock plugin from answering SRV out of a record.
const noPort = -1

// value is SkyDNS's JSON, and ours. What the stock plugin could not read is
// not to be read here either, hence the fields that are of no use.
type value struct {
	Host        string          `json:"host,omitempty"`
	Port        int             `json:"port,omitempty"`
	Priority    int             `json:"priority,omitempty"`
	Weight      int             `json:"weight,omitempty"`
	Text        string          `json:"text,omitempty"`
	Mail        bool            `json:"mail,omitempty"`
	TTL         uint32          `json:"ttl,omitempty"`
	TargetStrip int             `json:"targetstrip,omitempty"`
	Group       string          `json:"group,omitempty"`
	Owner       json.RawMessage `json:"owner,omitempty"` // external-dns
	Isthmus     json.RawMessage `json:"isthmus,omitempty"`
}

// mark is the field "isthmus" of a value: the service's mark, and what SkyDNS
// has no word for.
type mark struct {
	Owner    string           `json:"owner"`
	Of       catalog.Identity `json:"of,omitempty"`
	Key      string           `json:"key"`
	Via      catalog.Identity `json:"via,omitempty"`
	Format   int              `json:"format"`
	ID       string           `json:"id,omitempty"` // the endpoint's, where it is not the key's last label
	Hostname string           `json:"hostname,omitempty"`
	Zone     string           `json:"zone,omitempty"`
	App      string           `json:"app,omitempty"`
	TTL      int              `json:"ttl,omitempty"`     // 0: not said
	Reverse  string           `json:"reverse,omitempty"` // of a reverse record: the service's name
}

// parseRecord reads one key and its value. What is wrong with them is in the
// record's err. It returns nil for what is no service's record.
func parseRecord(l layout, key string, text []byte) *record {
	if l.isReverse(key) {
		return parseReverse(l, key, text)
	}
	r := readRecord(l, key, text)
	if r != nil && r.err != nil && len(r.err.Error()) > maxWord {
		r.err = errors.New(catalog.Brief(r.err.Error()))
	}
	return r
}

func readRecord(l layout, key string, text []byte) *record {
	r := &record{key: key, port: noPort}
	r.err = r.setPlace(l)
	if errors.Is(r.err, errNotRead) {
		return nil
	}
	var v value
	if err := json.Unmarshal(text, &v); err != nil {
		r.err = errors.Join(r.err, fmt.Errorf("value: %w", err))
		return r
	}
	r.setExternal(v)
	var err error
	if r.mark, err = parseMark(v.Isthmus); err == nil {
		err = cmp.Or(r.setValue(v), l.checkHost(r))
	}
	if r.err == nil {
		r.err = err
	}
	return r
}

// setPlace sets where the record stands, by its key and mark.
func (r *record) setPlace(l layout) (err error) {
	if !r.reverse {
		r.place, err = l.parse(r.key)
		return err
	}
	if r.mark != nil {
		if k, ok := l.keyOf(r.mark.Reverse); ok {
			r.place.Key = k
		}
	}
	return nil
}

// setExternal sets what a value shows of external-dns.
func (r *record) setExternal(v value) {
	r.heritage = strings.Contains(v.Text, "heritage=external-dns")
	r.external = r.heritage || len(v.Owner) > 0 && string(v.Owner) != `""` && string(v.Owner) != "null"
}

func parseMark(text json.RawMessage) (*mark, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	var core struct {
		Owner  string
		Format int
	}
	if err := json.Unmarshal(text, &core); err != nil {
		return nil, fmt.Errorf("mark: %w", err)
	}
	if core.Owner == "" || core.Owner == catalog.UnknownOwner {
		return nil, fmt.Errorf("mark: %q is no owner", core.Owner)
	}
	m := new(mark)
	if err := json.Unmarshal(text, m); err != nil && core.Format <= catalog.MarkFormat {
		return nil, fmt.Errorf("mark: %w", err)
	}
	m.Owner, m.Format = core.Owner, core.Format
	for _, word := range []string{m.Owner, string(m.Of), m.Key, string(m.Via), m.ID, m.Hostname, m.Zone, m.App, m.Reverse} {
		if len(word) > maxWord {
			return nil, fmt.Errorf("mark: a word of %d bytes, at most %d", len(word), maxWord)
		}
	}
	return m, nil
}

// maxWord is how long a word may be that is kept as it is.
const maxWord = 4096

// setValue takes over what a value says of the endpoint.
func (r *record) setValue(v value) error {
	if v.Host == "" {
		r.noHost = true
		if v.Text == "" || r.mark != nil {
			return errors.New("neither host nor text")
		}
		return nil
	}
	if len(v.Host) > maxWord {
		return checkName(v.Host)
	}
	r.host = catalog.ParseHost(v.Host)
	if v.Port < noPort || v.Port > 65535 {
		return fmt.Errorf("port %d is out of range", v.Port)
	}
	if v.Weight < 0 || v.Weight > maxWeight {
		return fmt.Errorf("weight %d is out of range", v.Weight)
	}
	if v.Priority < 0 || v.Priority > maxPriority {
		return fmt.Errorf("priority %d is out of range", v.Priority)
	}
	if v.Port > 0 {
		r.port = v.Port
	}
	r.weight, r.priority = v.Weight, v.Priority
	if v.TTL > 0 {
		r.ttl = int(min(v.TTL, maxTTL))
	}
	return checkHost(r.host)
}

const (
	maxWeight       = 65535
	maxPriority     = 65535
	defaultPriority = 10  // of a record that does not say
	maxTTL          = 300 // seconds
	defaultTTL      = 30  // written where the service does not say
)

func checkHost(h catalog.Host) error {
	if h.Addr.IsValid() {
		return registry.CheckAddr(h.Addr)
	}
	return checkName(h.Name)
}

// checkHost returns an error if r is not our own and names what it may not.
func (l layout) checkHost(r *record) error {
	if l.hosts == nil || r.noHost || r.mark != nil && r.mark.Owner == l.owner {
		return nil
	}
	return l.hosts.Check(r.host)
}

// marshal is the record's value in etcd.
func (r *record) marshal() string { return string(r.text()) }

func (r *record) text() []byte {
	v := struct {
		value
		Isthmus *mark `json:"isthmus"`
	}{value{Host: r.host.String(), Port: r.port, Priority: r.priority, Weight: r.weight, TTL: defaultTTL}, r.mark}
	if r.ttl > 0 {
		v.TTL = uint32(r.ttl)
	}
	text, _ := json.Marshal(&v) // no field is of a kind that could fail
	return text
}

// owner is whose record it is: "" for a native one.
func (r *record) owner() string {
	switch {
	case r.mark != nil:
		return r.mark.Owner
	case r.external:
		return catalog.UnknownOwner
	}
	return ""
}

func seconds(d time.Duration) int {
	if d <= 0 {
		return 0
	}
	return int(min((d+time.Second-1)/time.Second, maxTTL))
}
