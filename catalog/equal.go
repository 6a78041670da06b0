package catalog

import (
	"maps"
	"slices"
)

// Same reports whether two services say the same, whatever their versions and
// origins, and whenever that came about. Empty and missing lists and maps are the same.
func (s *Service) Same(o *Service) bool {
	return s.Key == o.Key && sameMark(s.Mark, o.Mark) &&
		s.Bare == o.Bare && s.Type == o.Type && s.Alias == o.Alias && s.TTL == o.TTL &&
		slices.Equal(s.Addrs, o.Addrs) && slices.Equal(s.External, o.External) &&
		slices.Equal(s.Ports, o.Ports) && maps.Equal(s.Meta, o.Meta) &&
		slices.EqualFunc(s.Endpoints, o.Endpoints, Endpoint.Same)
}

func sameMark(a, b *Mark) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// Same reports whether two endpoints say the same.
func (e Endpoint) Same(o Endpoint) bool {
	return e.ID == o.ID && e.Host == o.Host && e.Hostname == o.Hostname && e.Pod == o.Pod &&
		slices.Equal(e.Ports, o.Ports) && slices.Equal(e.Tags, o.Tags) && maps.Equal(e.Meta, o.Meta) &&
		e.Ready == o.Ready && e.Serving == o.Serving && e.Terminating == o.Terminating && e.Warning == o.Warning &&
		e.Zone == o.Zone && e.Node == o.Node && e.Cluster == o.Cluster && e.Priority == o.Priority && e.Weight == o.Weight
}
