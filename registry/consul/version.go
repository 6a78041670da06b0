package consul

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/hashicorp/consul/api"
)

// A Version lists every record of a mirror, so that a write can compare each:
//
//	FORMAT;NODE ID INDEX SUM CHECKINDEX CHECKSUM;NODE ID ...
//
// FORMAT is the newest of the marks. Numbers have base 36; NODE is "" where it
// is the one of the record before. What is said of the check is left out where it
// was not read.
func encodeVersion(format int, all []held) string {
	all = slices.Clone(all)
	slices.SortFunc(all, held.compare)
	var b strings.Builder
	b.WriteString(strconv.Itoa(format))
	node := ""
	for _, h := range all {
		b.WriteByte(';')
		if h.node != node {
			node = h.node
			b.WriteString(url.QueryEscape(node))
		}
		b.WriteByte(' ')
		b.WriteString(url.QueryEscape(h.id))
		for i, n := range [...]uint64{h.index, h.sum, h.checkIndex, h.checkSum} {
			if i == 2 && h.unread {
				break
			}
			b.WriteByte(' ')
			b.WriteString(strconv.FormatUint(n, 36))
		}
	}
	return b.String()
}

// decodeVersion reads what encodeVersion wrote; "" is no record.
func decodeVersion(v string) (format int, all []held, err error) {
	if v == "" {
		return 0, nil, nil
	}
	parts := strings.Split(v, ";")
	if format, err = strconv.Atoi(parts[0]); err != nil {
		return 0, nil, fmt.Errorf("version %.40q: %w", v, err)
	}
	node := ""
	for _, part := range parts[1:] {
		h, err := decodeHeld(part)
		if err != nil {
			return 0, nil, fmt.Errorf("version: record %.80q: %w", part, err)
		}
		if h.node == "" {
			h.node = node
		}
		node = h.node
		all = append(all, h)
	}
	return format, all, nil
}

// lacksChecks reports whether a version says nothing of checks.
func lacksChecks(v string) bool {
	_, all, err := decodeVersion(v)
	return err == nil && slices.ContainsFunc(all, func(h held) bool { return h.unread })
}

// withoutChecks returns a version as it is where checks are not read.
func withoutChecks(v string) string {
	format, all, err := decodeVersion(v)
	if v == "" || err != nil {
		return v
	}
	for i := range all {
		all[i].unread = true
	}
	return encodeVersion(format, all)
}

func decodeHeld(part string) (h held, err error) {
	word := strings.Split(part, " ")
	h.unread = len(word) == 4
	if len(word) != 6 && !h.unread {
		return h, fmt.Errorf("%d words", len(word))
	}
	if h.node, err = url.QueryUnescape(word[0]); err != nil {
		return h, err
	}
	if h.id, err = url.QueryUnescape(word[1]); err != nil {
		return h, err
	}
	for i, n := range []*uint64{&h.index, &h.sum, &h.checkIndex, &h.checkSum}[:len(word)-2] {
		if *n, err = strconv.ParseUint(word[2+i], 36, 64); err != nil {
			return h, err
		}
	}
	return h, nil
}

// serviceSum sums up what a transaction writes of an instance.
func serviceSum(s *api.AgentService) uint64 {
	var room [sumRoom]byte
	b := texts(room[:0], s.Service, s.Address)
	for _, n := range []int{s.Port, s.Weights.Passing, s.Weights.Warning, len(s.Tags), len(s.Meta)} {
		b = binary.AppendVarint(b, int64(n))
	}
	b = texts(b, s.Tags...)
	if s.EnableTagOverride || s.Locality != nil || len(s.Ports)+len(s.TaggedAddresses) > 0 {
		// Nothing that is written here has any of these.
		rare, _ := json.Marshal([]any{s.EnableTagOverride, s.Locality, s.Ports, s.TaggedAddresses}) // of plain values: it cannot fail
		b = append(b, rare...)
	}
	return xxhash.Sum64(b) + pairsSum(s.Meta)
}

// pairsSum sums up pairs, in whatever order they come.
func pairsSum(all map[string]string) (sum uint64) {
	var room [sumRoom]byte
	for name, value := range all {
		sum += xxhash.Sum64(texts(room[:0], name, value))
	}
	return sum
}

// checkSum sums up what a transaction writes of a check.
func checkSum(c *api.HealthCheck) uint64 {
	var room [sumRoom]byte
	return xxhash.Sum64(texts(room[:0], c.Name, c.Status, c.Notes, c.Output, c.Type, c.ServiceID))
}

// sumRoom is how much is summed up without allocating.
const sumRoom = 512

// texts appends texts so that none runs into the next.
func texts(b []byte, all ...string) []byte {
	for _, text := range all {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}
