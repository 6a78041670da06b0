package catalog

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// ParseText reads services in text form; blank lines and lines that start with
// '#' are passed over. An error names the line and the word.
func ParseText(text string) ([]*Service, error) {
	var p textParser
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	for _, s := range p.all {
		s.Sort()
	}
	return p.all, nil
}

type textParser struct{ all []*Service }

func (p *textParser) line(line string) error {
	words, err := splitWords(line)
	if err != nil || len(words) == 0 {
		return err
	}
	if words[0] == "service" {
		return p.service(words[1:])
	}
	if len(p.all) == 0 {
		return fmt.Errorf("%q before the first service", words[0])
	}
	s := p.all[len(p.all)-1]
	if !strings.HasPrefix(line, "\t\t") {
		return s.parseLine(words[0], words[1:])
	}
	if len(s.Endpoints) == 0 {
		return fmt.Errorf("%q of an endpoint before the first endpoint", words[0])
	}
	return s.Endpoints[len(s.Endpoints)-1].parseLine(words[0], words[1:])
}

func (p *textParser) service(words []string) error {
	if len(words) < 2 {
		return errors.New("service: want a key and a type")
	}
	key, err := ParseKey(words[0])
	if err != nil {
		return err
	}
	s := &Service{Key: key, Type: -1}
	for t, name := range typeNames {
		if name == words[1] {
			s.Type = ServiceType(t)
		}
	}
	if s.Type < 0 {
		return fmt.Errorf("unknown service type %q", words[1])
	}
	p.all = append(p.all, s)
	return eachPair(words[2:], func(k, v string) (err error) {
		switch k {
		case "ttl":
			s.TTL, err = time.ParseDuration(v)
		case "version":
			s.Version = v
		default:
			err = fmt.Errorf("unknown word %q", k)
		}
		return err
	})
}

func (s *Service) parseLine(what string, words []string) (err error) {
	if len(words) == 0 {
		return fmt.Errorf("%q: nothing follows", what)
	}
	switch what {
	case "mark":
		s.Mark, err = parseMark(words)
	case "addr":
		var a netip.Addr
		a, err = netip.ParseAddr(words[0])
		s.Addrs = append(s.Addrs, a)
	case "external":
		s.External = append(s.External, ParseHost(words[0]))
	case "alias":
		s.Alias = words[0]
	case "port":
		s.Ports, err = parsePort(s.Ports, words)
	case "meta":
		s.Meta, err = parseMeta(s.Meta, words)
	case "endpoint":
		var e Endpoint
		e, err = parseEndpoint(words)
		s.Endpoints = append(s.Endpoints, e)
	default:
		err = fmt.Errorf("unknown word %q", what)
	}
	return err
}

func (e *Endpoint) parseLine(what string, words []string) (err error) {
	if len(words) == 0 {
		return fmt.Errorf("%q: nothing follows", what)
	}
	switch what {
	case "port":
		e.Ports, err = parsePort(e.Ports, words)
	case "tag":
		e.Tags = append(e.Tags, words[0])
	case "meta":
		e.Meta, err = parseMeta(e.Meta, words)
	default:
		err = fmt.Errorf("unknown word %q", what)
	}
	return err
}

func parseMark(words []string) (*Mark, error) {
	m := new(Mark)
	return m, eachPair(words, func(k, v string) (err error) {
		switch k {
		case "owner":
			m.Owner = v
		case "of":
			m.Of = Identity(v)
		case "key":
			m.Key, err = ParseKey(v)
		case "joins":
			m.Joins = true
		case "via":
			m.Via = Identity(v)
		case "format":
			m.Format, err = strconv.Atoi(v)
		default:
			err = fmt.Errorf("unknown word %q", k)
		}
		return err
	})
}

func parsePort(to []Port, words []string) ([]Port, error) {
	if len(words) < 3 {
		return nil, errors.New("port: want name, protocol, number")
	}
	n, err := strconv.ParseUint(words[2], 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port number: %w", err)
	}
	p := Port{Name: words[0], Proto: Protocol(words[1]), Number: uint16(n)}
	err = eachPair(words[3:], func(k, v string) error {
		if k != "app" {
			return fmt.Errorf("unknown word %q", k)
		}
		p.App = v
		return nil
	})
	return append(to, p), err
}

func parseMeta(to map[string]string, words []string) (map[string]string, error) {
	if to == nil {
		to = map[string]string{}
	}
	return to, eachPair(words, func(k, v string) error {
		to[k] = v
		return nil
	})
}

func parseEndpoint(words []string) (Endpoint, error) {
	e := Endpoint{Host: ParseHost(words[0])}
	return e, eachPair(words[1:], func(k, v string) (err error) {
		switch k {
		case "ready":
			e.Ready = true
		case "serving":
			e.Serving = true
		case "terminating":
			e.Terminating = true
		case "warning":
			e.Warning = true
		case "id":
			e.ID = v
		case "hostname":
			e.Hostname = v
		case "pod":
			e.Pod = v
		case "zone":
			e.Zone = v
		case "node":
			e.Node = v
		case "priority":
			var n uint64
			n, err = strconv.ParseUint(v, 10, 16)
			e.Priority = uint16(n)
		case "cluster":
			e.Cluster = v
		case "weight":
			e.Weight, err = strconv.Atoi(v)
		default:
			err = fmt.Errorf("unknown word %q", k)
		}
		return err
	})
}

// eachPair calls f with the two sides of each key=value; a bare word has no
// value. Words come from splitWords, where "=" outside quotes became pairSep.
func eachPair(words []string, f func(k, v string) error) error {
	for _, w := range words {
		k, v, _ := strings.Cut(w, pairSep)
		if err := f(k, v); err != nil {
			return err
		}
	}
	return nil
}

// pairSep stands for an unquoted '='; it is no valid UTF-8, hence in no word.
const pairSep = "\xff"

// splitWords splits a line at white space and takes quotes away.
func splitWords(line string) ([]string, error) {
	var words []string
	rest := strings.TrimSpace(line)
	if strings.HasPrefix(rest, "#") {
		return nil, nil
	}
	for rest != "" {
		var word strings.Builder
		for rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			switch rest[0] {
			case '"':
				q, err := strconv.QuotedPrefix(rest)
				if err != nil {
					return nil, fmt.Errorf("word %q: %w", rest, err)
				}
				text, err := strconv.Unquote(q)
				if err != nil {
					return nil, fmt.Errorf("word %q: %w", q, err)
				}
				word.WriteString(text)
				rest = rest[len(q):]
			case '=':
				word.WriteString(pairSep)
				rest = rest[1:]
			default:
				word.WriteByte(rest[0])
				rest = rest[1:]
			}
		}
		words = append(words, word.String())
		rest = strings.TrimLeft(rest, " \t")
	}
	return words, nil
}
