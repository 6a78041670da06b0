package isthmus

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"

	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// neighbours returns the words of all directives in the server block that the
// stanza s was read from, or nil if they cannot be known: a plugin is shown its
// own words only, so that the Corefile is read again.
func neighbours(c *caddy.Controller, s stanza.Stanza) map[string][]caddyfile.Token {
	started := caddy.Instances()
	if len(started) == 0 {
		return nil
	}
	file := started[len(started)-1].Caddyfile() // the newest is the one that starts now
	if file == nil {
		return nil
	}
	blocks, err := caddyfile.Parse(file.Path(), bytes.NewReader(file.Body()), caddy.ValidDirectives(file.ServerType()))
	if err != nil || c.ServerBlockIndex >= len(blocks) {
		return nil
	}
	all := blocks[c.ServerBlockIndex].Tokens
	if own := all[name]; len(own) == 0 || cmp.Or(own[0].File, s.File) != s.File || own[0].Line != s.Line {
		return nil // it was another one
	}
	return all
}

// checkBeside refuses plugins that ask the kubernetes plugin where it is not
// there: one of them would say less, the other nothing at all.
func checkBeside(c *caddy.Controller, s stanza.Stanza) error {
	all := neighbours(c, s)

	if len(all["kubernetes"]) > 0 {
		return nil
	}
	if words := all["k8s_external"]; len(words) > 0 {
		return refuse(words[0], s, "%q works with the plugin %q only: write %q into the block of %q instead",
			words[0].Text, "kubernetes", "external ZONE...", name)
	}
	for _, t := range all["autopath"] {
		if t.Text == "@kubernetes" {
			return refuse(t, s, "%q is not there: write %q", t.Text, "@"+name)
		}
	}
	return nil
}

func refuse(t caddyfile.Token, s stanza.Stanza, format string, args ...any) error {
	return &stanza.Error{File: cmp.Or(t.File, s.File), Line: t.Line, Err: fmt.Errorf(format, args...)}
}
