package isthmus

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// ofKubernetes are the words of the kubernetes plugin that stand for a
// kubernetes stanza, with what they are called there.
func ofKubernetes() map[string]string {
	return map[string]string{
		"kubeconfig":             "kubeconfig",
		"endpoint":               "endpoint",
		"tls":                    "tls",
		"namespaces":             "namespaces",
		"namespace_labels":       "namespace_labels",
		"labels":                 "labels",
		"apiserver_qps":          "qps",
		"apiserver_burst":        "burst",
		"apiserver_max_inflight": "max_inflight",
	}
}

// block returns the block of the kubernetes stanza that the words at the top
// stand for.
func (p *parser) block() ([]stanza.Stanza, error) {
	var all []stanza.Stanza
	for _, s := range p.top {
		if s.Name() == "endpoint" && len(s.Args()) > 1 {
			p.conf.warnings = append(p.conf.warnings, s.Errorf("only the first URL of %q is used", "endpoint").Error())
			s.Words = s.Words[:2]
		}
		said, err := true, error(nil)
		if strings.HasPrefix(s.Name(), "apiserver_") {
			said, err = limit(s)
		}
		if err != nil {
			return nil, err
		}
		if said {
			s.Words = slices.Concat([]string{ofKubernetes()[s.Name()]}, s.Args())
			all = append(all, s)
		}
	}
	return all, nil
}

// limit checks a limit of requests to the API server. It is false for 0, which
// stands for the default.
func limit(s stanza.Stanza) (bool, error) {
	if err := s.WantArgs(1, 1, s.Name()+" NUMBER"); err != nil {
		return false, err
	}
	n, err := strconv.ParseFloat(s.Args()[0], 32)
	if whole := s.Name() != "apiserver_qps"; err != nil || !(n >= 0) || math.IsInf(n, 0) || whole && n != math.Trunc(n) {
		return false, s.Errorf("%s: %q is no number of 0 or more", s.Name(), s.Args()[0])
	}
	return n > 0, nil
}
