package stanza

import "strings"

// Expand returns the stanzas with every {$NAME} in their words replaced by
// what env returns for NAME, as the Corefile does for its own. A variable that
// is not set is an error: an empty address or path would mean something else.
func Expand(all []Stanza, env func(string) string) ([]Stanza, error) {
	expanded := make([]Stanza, 0, len(all))
	for _, s := range all {
		words := make([]string, len(s.Words))
		for i, w := range s.Words {
			var err error
			if words[i], err = s.expand(w, env); err != nil {
				return nil, err
			}
		}
		block, err := Expand(s.Block, env)
		if err != nil {
			return nil, err
		}
		s.Words, s.Block = words, block
		expanded = append(expanded, s)
	}
	return expanded, nil
}

func (s Stanza) expand(word string, env func(string) string) (string, error) {
	var b strings.Builder
	rest := word
	for {
		before, after, found := strings.Cut(rest, "{$")
		name, tail, closed := strings.Cut(after, "}")
		if !found || !closed {
			b.WriteString(rest)
			return b.String(), nil
		}
		value := env(name)
		if value == "" {
			return "", s.Errorf("word %q: the environment variable %q is not set", word, name)
		}
		b.WriteString(before + value)
		rest = tail
	}
}
