package catalog

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The text form of services, for tests, dumps and people. A service starts a
// line, what belongs to it is indented by one tab, an endpoint's ports and so
// on by two. Words with white space, quotes, '=' or control characters, and
// empty ones, are quoted as Go strings.
//
//	service shop/web ClusterIP ttl=30s version=7
//		mark owner=prod of=kubernetes:42 key=shop/web format=1
//		addr 10.0.0.1
//		external lb.example.org
//		alias db.example.org
//		port http TCP 80 app=http
//		meta team=blue
//		endpoint 10.1.1.1 id=a ready serving warning hostname=web-0 pod=web-0 zone=z node=n cluster=c priority=2 weight=1
//			port http TCP 8080
//			tag v1
//			meta rack=7
//
// Lists are in their sorted order, maps sorted by key, so equal services have
// equal texts. The origin is not part of it.

// WriteText writes services in text form, sorted by key and owner.
func WriteText(w io.Writer, all []*Service) error {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *Service) int {
		return slices.Compare([]string{a.Namespace, a.Name, a.Ref().Owner}, []string{b.Namespace, b.Name, b.Ref().Owner})
	})
	for _, s := range all {
		if _, err := io.WriteString(w, s.Text()); err != nil {
			return fmt.Errorf("write service %q: %w", s.Key, err)
		}
	}
	return nil
}

// Text returns the service in text form, ending in a newline.
func (s *Service) Text() string {
	s = s.unfolded()
	var b textWriter
	b.line(0, "service", quote(s.Key.String()), s.Type.String(), pair("ttl", dur(s)), pair("version", s.Version))
	if m := s.Mark; m != nil {
		b.line(1, "mark", pair("owner", m.Owner), pair("of", string(m.Of)), pair("key", markKey(m)), pair("via", string(m.Via)), flag("joins", m.Joins), pair("format", strconv.Itoa(m.Format)))
	}
	for _, a := range s.Addrs {
		b.line(1, "addr", a.String())
	}
	for _, h := range s.External {
		b.line(1, "external", quote(h.String()))
	}
	if s.Alias != "" {
		b.line(1, "alias", quote(s.Alias))
	}
	b.ports(1, s.Ports)
	b.meta(1, s.Meta)
	for _, e := range s.Endpoints {
		b.endpoint(e)
	}
	return b.String()
}

// markKey is "" where nothing is known of the original, as of a copy that
// another tool made.
func markKey(m *Mark) string {
	if m.Key == (Key{}) {
		return ""
	}
	return m.Key.String()
}

func dur(s *Service) string {
	if s.TTL == 0 {
		return ""
	}
	return s.TTL.String()
}

type textWriter struct{ strings.Builder }

// line writes one line; empty words are left out.
func (b *textWriter) line(depth int, words ...string) {
	b.WriteString(strings.Repeat("\t", depth))
	words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
	b.WriteString(strings.Join(words, " "))
	b.WriteByte('\n')
}

func (b *textWriter) endpoint(e Endpoint) {
	b.line(1, "endpoint", quote(e.Host.String()), pair("id", e.ID),
		flag("ready", e.Ready), flag("serving", e.Serving), flag("terminating", e.Terminating), flag("warning", e.Warning),
		pair("hostname", e.Hostname), pair("pod", e.Pod), pair("zone", e.Zone), pair("node", e.Node), pair("cluster", e.Cluster), number("priority", int(e.Priority)), number("weight", e.Weight))
	b.ports(2, e.Ports)
	for _, t := range e.Tags {
		b.line(2, "tag", quote(t))
	}
	b.meta(2, e.Meta)
}

func (b *textWriter) ports(depth int, all []Port) {
	for _, p := range all {
		b.line(depth, "port", quote(p.Name), quote(string(p.Proto)), strconv.Itoa(int(p.Number)), pair("app", p.App))
	}
}

func (b *textWriter) meta(depth int, m map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b.line(depth, "meta", quote(k)+"="+quote(m[k]))
	}
}

func number(k string, n int) string {
	if n == 0 {
		return ""
	}
	return pair(k, strconv.Itoa(n))
}

func flag(name string, on bool) string {
	if on {
		return name
	}
	return ""
}

func pair(k, v string) string {
	if v == "" {
		return ""
	}
	return k + "=" + quote(v)
}

// quote leaves plain words alone.
func quote(s string) string {
	plain := func(r rune) bool { return r > ' ' && r < 0x7f && r != '"' && r != '=' && r != '\\' }
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return strconv.Quote(s)
}
