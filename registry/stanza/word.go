package stanza

import (
	"errors"
	"strings"
	"unicode"
)

var errUnquoted = errors.New("quote it, or put a space before a comment")

// checkWords goes over text as the lexer does and refuses what the lexer would
// read as something else than it looks like.
func checkWords(file, text string) error {
	c := checker{text: strings.TrimPrefix(text, "\ufeff"), line: 1, start: -1}
	for i, r := range c.text {
		if c.quoted {
			c.inQuote(r)
		} else if !c.outside(i, r) {
			word := c.text[c.start:]
			word = word[:strings.IndexFunc(word+" ", unicode.IsSpace)]
			return Stanza{File: file, Line: c.line}.Errorf("word %q holds a '#': %w", word, errUnquoted)
		}
	}
	if c.quoted {
		return Stanza{File: file, Line: c.opened}.Errorf("a quote is not closed")
	}
	return nil
}

// checker is where checkWords stands.
type checker struct {
	text    string
	line    int
	opened  int  // the line of the quote that is open
	start   int  // where the word began; -1 between words
	quoted  bool // within quotes, where only a quote can be escaped
	escaped bool
	comment bool
}

func (c *checker) inQuote(r rune) {
	switch {
	case c.escaped:
		c.escaped = false
	case r == '\\':
		c.escaped = true
	case r == '"':
		c.quoted = false
	}
	if r == '\n' {
		c.line++
	}
}

// outside takes a rune outside quotes; it returns false at a '#' that would
// break the word that it stands in.
func (c *checker) outside(i int, r rune) bool {
	switch {
	case r == '\n':
		c.line++
		c.start, c.comment = -1, false
	case c.comment || r == '\r':
	case unicode.IsSpace(r):
		c.start = -1
	case r == '#' && c.start >= 0:
		return false
	case r == '#':
		c.comment = true
	case c.start < 0:
		c.start = i
		c.quoted, c.opened = r == '"', c.line
	}
	return true
}
