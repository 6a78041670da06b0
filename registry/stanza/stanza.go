// Package stanza reads the one grammar of the Corefile block and the bridge's
// file into a tree of stanzas with their places, by the Corefile lexer.
//
//	word word ... {
//	    word word ...
//	}
//
// A block opens only by "{" at the end of the stanza's own line and closes by
// "}" on a line of its own. The order is kept. Whoever reads a tree says with
// Errorf what is wrong with a stanza; the error names its file and line.
package stanza

import (
	"bytes"
	"fmt"
	"time"

	"github.com/coredns/caddy/caddyfile"
)

// Stanza is one line with the block that it opens, if any.
type Stanza struct {
	File  string
	Line  int
	Words []string // at least one; the first says what it is
	Block []Stanza
	Open  bool // it has a block, be it empty
}

// Name is the first word.
func (s Stanza) Name() string { return s.Words[0] }

// Args are the words after the first.
func (s Stanza) Args() []string { return s.Words[1:] }

// Errorf returns an error that begins with the stanza's file and line.
func (s Stanza) Errorf(format string, args ...any) error {
	return &Error{File: s.File, Line: s.Line, Err: fmt.Errorf(format, args...)}
}

// WantArgs returns an error unless there are min to max arguments (max < 0: no
// limit); usage is what should have been written.
func (s Stanza) WantArgs(min, max int, usage string) error {
	n := len(s.Args())
	switch {
	case n < min:
		return s.Errorf("%q wants more words: %s", s.Name(), usage)
	case max >= 0 && n > max:
		return s.Errorf("unexpected word %q: %s", s.Args()[max], usage)
	}
	return nil
}

// NoBlock returns an error if the stanza opens a block.
func (s Stanza) NoBlock() error {
	if s.Open {
		return s.Errorf("%q takes no block", s.Name())
	}
	return nil
}

// Error is an error at a place in a file.
type Error struct {
	File string
	Line int
	Err  error
}

// Error returns "file:line: what".
func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

// Duration returns the one word behind the name as a duration, which must be of
// least at least.
func (s Stanza) Duration(least time.Duration) (time.Duration, error) {
	usage := s.Name() + " DURATION"
	if err := s.WantArgs(1, 1, usage); err != nil {
		return 0, err
	}
	d, err := time.ParseDuration(s.Args()[0])
	if err != nil || d < least {
		return 0, s.Errorf("%q: want %s, of %v at least", s.Args()[0], usage, least)
	}
	return d, nil
}

// Parse reads a whole file of ours. A '#' inside an unquoted word is refused,
// because the lexer would silently end the word there, and so is a quote that
// is not closed, because it would silently swallow the rest of the file.
func Parse(file string, text []byte) ([]Stanza, error) {
	if err := checkWords(file, string(text)); err != nil {
		return nil, err
	}
	d := caddyfile.NewDispenser(file, bytes.NewReader(text))
	var all []Stanza
	for d.Next() {
		s, err := Read(&d)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Read reads the stanza whose first word d stands on, and its block. After it
// d stands on the stanza's last token.
func Read(d *caddyfile.Dispenser) (Stanza, error) {
	s := Stanza{File: d.File(), Line: d.Line(), Words: []string{d.Val()}}
	if d.Val() == "{" || d.Val() == "}" {
		return s, s.Errorf("unexpected %q", d.Val())
	}
	for d.NextArg() {
		switch d.Val() {
		case "{":
			return s, s.readBlock(d)
		case "}":
			return s, s.Errorf("%q must stand on a line of its own", "}")
		}
		s.Words = append(s.Words, d.Val())
	}
	return s, nil
}

func (s *Stanza) readBlock(d *caddyfile.Dispenser) error {
	s.Open = true
	if d.NextArg() {
		return s.Errorf("unexpected word %q after %q", d.Val(), "{")
	}
	for d.Next() {
		if d.Val() == "}" {
			return readEnd(d)
		}
		child, err := Read(d)
		if err != nil {
			return err
		}
		s.Block = append(s.Block, child)
	}
	return s.Errorf("the block of %q is not closed", s.Name())
}

// readEnd holds that nothing follows the closing brace that d stands on.
func readEnd(d *caddyfile.Dispenser) error {
	end := Stanza{File: d.File(), Line: d.Line()}
	if d.NextArg() {
		return end.Errorf("unexpected word %q after %q", d.Val(), "}")
	}
	return nil
}
