package stanza

import (
	"errors"
	"strings"
	"testing"

	"github.com/coredns/caddy/caddyfile"
	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// st makes a stanza without a block.
func st(line int, words ...string) Stanza { return Stanza{File: "f", Line: line, Words: words} }

// block makes a stanza with a block.
func block(s Stanza, inner ...Stanza) Stanza {
	s.Open, s.Block = true, inner
	return s
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []Stanza
	}{
		{"nothing", "", nil},
		{"blank lines and comments", "\n# one\n\t # two\n", nil},
		{"words", "consul dc1 http://127.0.0.1:8500\n", []Stanza{st(1, "consul", "dc1", "http://127.0.0.1:8500")}},
		{"no newline at the end", "a b", []Stanza{st(1, "a", "b")}},
		{"carriage returns", "a b\r\nc\r\n", []Stanza{st(1, "a", "b"), st(2, "c")}},
		{"byte order mark", "\ufeff# c\na\n", []Stanza{st(2, "a")}},
		{"repeated words keep their order", "a 1\nb\na 2\n", []Stanza{st(1, "a", "1"), st(2, "b"), st(3, "a", "2")}},
		{"a block", "a b {\n\tc d\n}\n", []Stanza{block(st(1, "a", "b"), st(2, "c", "d"))}},
		{"an empty block", "a {\n}\n", []Stanza{block(st(1, "a"))}},
		{"blocks in blocks", "a {\n\tb {\n\t\tc\n\t}\n\td\n}\ne\n",
			[]Stanza{block(st(1, "a"), block(st(2, "b"), st(3, "c")), st(5, "d")), st(7, "e")}},
		{"the order within a block", "a {\n\tz\n\ty 1\n\tz\n}\n", []Stanza{block(st(1, "a"), st(2, "z"), st(3, "y", "1"), st(4, "z"))}},
		{"blocks one after the other", "a {\n}\nb {\n}\n", []Stanza{block(st(1, "a")), block(st(3, "b"))}},
		{"a comment after a brace", "a { # open\n\tb # two\n} # shut\n", []Stanza{block(st(1, "a"), st(2, "b"))}},
		{"quoted words", `a "b c" "" "say \"no\"" "x#y"` + "\n", []Stanza{st(1, "a", "b c", "", `say "no"`, "x#y")}},
		{"a quoted word over two lines", "a \"b\n#c\" d\ne\n", []Stanza{st(1, "a", "b\n#c", "d"), st(3, "e")}},
		{"braces inside words", "name {service}-{namespace} {$HOME}\n", []Stanza{st(1, "name", "{service}-{namespace}", "{$HOME}")}},
		{"a quote inside a word", `a b"c` + "\n", []Stanza{st(1, "a", `b"c`)}},
		{"a comment with quotes", "a # \"b\nc\n", []Stanza{st(1, "a"), st(2, "c")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("f", []byte(tt.in))
			if err != nil {
				t.Fatalf("Parse(%q) = %v", tt.in, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", tt.in, diff)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a block without a name", "\n{\n}\n", `f:2: unexpected "{"`},
		{"a brace too many", "a {\n}\n}\n", `f:3: unexpected "}"`},
		{"an open block", "a {\n\tb\n", `f:1: the block of "a" is not closed`},
		{"an open block within", "a {\n\tb {\n\t\tc\n}\n", `f:1: the block of "a" is not closed`},
		{"a block on one line", "a { b }\n", `f:1: unexpected word "b" after "{"`},
		{"an empty block on one line", "a { }\n", `f:1: unexpected word "}" after "{"`},
		{"a closing brace after words", "a {\n\tb }\n", `f:2: "}" must stand on a line of its own`},
		{"a brace on the next line", "a\n{\n}\n", `f:2: unexpected "{"`},
		{"words after a closing brace", "a {\n} b\n", `f:2: unexpected word "b" after "}"`},
		{"words after a closing brace within", "a {\n\tb {\n\t} c\n}\n", `f:3: unexpected word "c" after "}"`},
		{"a hash in a word", "a\nb c#d e\n", `f:2: word "c#d" holds a '#': quote it, or put a space before a comment`},
		{"a hash in a word after a quote in a word", `a b"c#d` + "\n", `f:1: word "b\"c#d" holds a '#': quote it, or put a space before a comment`},
		{"a hash right after a quoted word", "a \"b\"#c\n", `f:1: word "\"b\"#c" holds a '#': quote it, or put a space before a comment`},
		{"a hash in a word after a quote over lines", "a \"b\nc\" d#e\n", `f:2: word "d#e" holds a '#': quote it, or put a space before a comment`},
		{"an open quote", "a b\nc \"d\ne\n", `f:2: a quote is not closed`},
		{"an escaped quote does not close", `a "b\"` + "\n", `f:1: a quote is not closed`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("f", []byte(tt.in))
			if err == nil || err.Error() != tt.want {
				t.Fatalf("Parse(%q) = %v, %v, want the error %q", tt.in, got, err, tt.want)
			}
			var at *Error
			if !errors.As(err, &at) || at.File != "f" || at.Line < 1 {
				t.Errorf("Parse(%q): error %#v names no place", tt.in, err)
			}
		})
	}
}

func TestWants(t *testing.T) {
	s := Stanza{File: "f", Line: 7, Words: []string{"etcd", "edge", "http://x"}}
	open := block(s)
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"just enough", s.WantArgs(2, 2, "u"), ""},
		{"no limit", s.WantArgs(0, -1, "u"), ""},
		{"too few", s.WantArgs(3, -1, "etcd NAME URL ..."), `f:7: "etcd" wants more words: etcd NAME URL ...`},
		{"too many", s.WantArgs(0, 1, "etcd NAME"), `f:7: unexpected word "http://x": etcd NAME`},
		{"no block", s.NoBlock(), ""},
		{"a block, be it empty", open.NoBlock(), `f:7: "etcd" takes no block`},
		{"of its own", s.Errorf("bad %q: %w", "x", errUnquoted), `f:7: bad "x": quote it, or put a space before a comment`},
	} {
		got := ""
		if tt.err != nil {
			got = tt.err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: error %q, want %q", tt.name, got, tt.want)
		}
	}
	if err := s.Errorf("x: %w", errUnquoted); !errors.Is(err, errUnquoted) {
		t.Errorf("Errorf(%%w) does not wrap")
	}
}

// TestReadInCorefile holds that a plugin's block is read from the tokens that
// a Corefile's server block hands to it, as caddy.Controller has them.
func TestReadInCorefile(t *testing.T) {
	const corefile = `cluster.local in-addr.arpa {
	errors
	isthmus {
		kubernetes prod {
			kubeconfig /etc/kubeconfig
		}
		consul dc1 http://127.0.0.1:8500 {
			tls {
				ca /ca.pem
			}
		}
		ttl 30
	}
	cache 30
}
`
	blocks, err := caddyfile.Parse("Corefile", strings.NewReader(corefile), nil)
	if err != nil {
		t.Fatal(err)
	}
	d := caddyfile.NewDispenserTokens("Corefile", blocks[0].Tokens["isthmus"])
	var got []Stanza
	for d.Next() {
		s, err := Read(&d)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	at := func(line int, words ...string) Stanza {
		return Stanza{File: "Corefile", Line: line, Words: words}
	}
	want := []Stanza{block(at(3, "isthmus"),
		block(at(4, "kubernetes", "prod"), at(5, "kubeconfig", "/etc/kubeconfig")),
		block(at(7, "consul", "dc1", "http://127.0.0.1:8500"), block(at(8, "tls"), at(9, "ca", "/ca.pem"))),
		at(12, "ttl", "30"),
	)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
}

// FuzzParse holds that nothing panics, that errors name a place in the file,
// and that what was read, written out again, reads the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "a", "a b {\n\tc \"d e\" {\n\t}\n}\n# f\n", "a { b }", "a\n{\n}\n", "x#y", `"a \" b"`, "\"a\nb\" c {\n}", "\ufeffa\r\n",
		"bridge prod {\n\tconsul dc1 {$ADDR} {\n\t\ttoken_file /run/x\n\t}\n}\n", "a \"{\"\nb\n}", "}", `a\`, "a \"\"",
	} {
		f.Add(seed)
	}
	for _, text := range hostile.Documents() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, in string) {
		lines := strings.Count(in, "\n") + 1
		all, err := Parse("f", []byte(in))
		if err != nil {
			var at *Error
			if !errors.As(err, &at) || at.Line < 1 || at.Line > lines {
				t.Fatalf("Parse(%q): error %q names no line of %d", in, err, lines)
			}
			return
		}
		text, ok := render(all, lines)
		if !ok {
			return
		}
		again, err := Parse("f", []byte(text))
		if diff := cmp.Diff(stripped(all), stripped(again)); err != nil || diff != "" {
			t.Errorf("Parse(%q), written as %q, reads (%v; -first +again):\n%s", in, text, err, diff)
		}
	})
}

// render writes stanzas with every word quoted; it reports false for words
// that quotes cannot hold, and stops the test at what no stanza can be.
func render(all []Stanza, lines int) (string, bool) {
	var b strings.Builder
	for _, s := range all {
		if len(s.Words) == 0 || s.Line < 1 || s.Line > lines {
			panic("no words, or no line")
		}
		for _, w := range s.Words {
			if strings.ContainsAny(w, "\\\r") || strings.ToValidUTF8(w, "") != w {
				return "", false
			}
			b.WriteString(`"` + strings.ReplaceAll(w, `"`, `\"`) + `" `)
		}
		if s.Open {
			inner, ok := render(s.Block, lines)
			if !ok {
				return "", false
			}
			b.WriteString("{\n" + inner + "}")
		}
		b.WriteString("\n")
	}
	return b.String(), true
}

// stripped returns the stanzas without their lines.
func stripped(all []Stanza) []Stanza {
	var out []Stanza
	for _, s := range all {
		s.Line, s.Block = 0, stripped(s.Block)
		out = append(out, s)
	}
	return out
}
