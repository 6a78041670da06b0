package stanza

import (
	"fmt"
	"testing"
)

// TestOptions holds what a block of values is read as, and what is wrong with one.
func TestOptions(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"none", "a", `"" [] []`},
		{"each kind", "a {\none x\nmany y z\nother 1 2\n}", `"x" [y z] [other 1 2]`},
		{"the first error", "a {\none\nmany\n}", `f:2: "one" wants more words: one VALUE`},
		{"too many", "a {\none x y\n}", `f:2: unexpected word "y": one VALUE`},
		{"too few", "a {\nmany\n}", `f:2: "many" wants more words: many VALUE...`},
		{"twice", "a {\nother\nother\n}", `f:3: "other" is said twice`},
		{"a block", "a {\nother {\n}\n}", `f:2: "other" takes no block`},
	} {
		all, err := Parse("f", []byte(tt.in))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var one string
		var many, rest []string
		values := Values{One: map[string]*string{"one": &one}, Many: map[string]*[]string{"many": &many}}
		err = all[0].Options(func(o Stanza) error {
			is, err := values.Option(o)
			if !is {
				rest = append(rest, o.Words...)
			}
			return err
		})
		got := fmt.Sprintf("%q %v %v", one, many, rest)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: read as %s, want %s", tt.name, got, tt.want)
		}
	}
}
