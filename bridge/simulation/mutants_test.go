package simulation

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutant is the setting by which a program with all mistakes in it makes the n-th.
func mutant(n int) string { return fmt.Sprintf("MUTANT=%d", n) }

// choosing is what each package with mistakes in it is given beside.
const choosing = "package %s\n\nimport \"os\"\n\nvar mutant = os.Getenv(\"MUTANT\")\n"

// overlay writes the files with the mistakes in them, and what has the go command
// take them in place of the right ones. A function with a mistake in it stands
// beside the right one, which asks at its beginning whether to call it.
func overlay(t *testing.T, top string, all []mutation) string {
	t.Helper()
	dir, written, replace := t.TempDir(), 0, map[string]string{}
	put := func(file, text string) {
		written++
		replace[file] = filepath.Join(dir, fmt.Sprintf("%d.go", written))
		if err := os.WriteFile(replace[file], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range filesOf(all) {
		file := filepath.Join(top, filepath.FromSlash(name))
		f := readSource(t, file)
		for n, m := range all {
			if m.file == name {
				f.add(t, n, m)
			}
		}
		put(file, f.result())
		put(filepath.Join(filepath.Dir(file), "mutant_overlay.go"), fmt.Sprintf(choosing, f.tree.Name))
	}
	list := filepath.Join(dir, "overlay.json")
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return list
}

func filesOf(all []mutation) []string {
	var files []string
	for _, m := range all {
		files = append(files, m.file)
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// source is a file that mistakes are added to.
type source struct {
	text    string
	tree    *ast.File
	asks    map[int]string // what is asked first, by where it is
	mutants []string       // functions with a mistake in them
}

func readSource(t *testing.T, file string) *source {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return &source{text: string(text), tree: tree, asks: map[int]string{}}
}

// at is where a position is in the text: the file is the only one of its set.
func at(p token.Pos) int { return int(p) - 1 }

// add adds the n-th mistake.
func (f *source) add(t *testing.T, n int, m mutation) {
	t.Helper()
	if found := strings.Count(f.text, m.was); found != 1 {
		t.Fatalf("%s: %s has %d times\n%s", m.breaks, m.file, found, m.was)
	}
	where := strings.Index(f.text, m.was)
	for _, d := range f.tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || where < at(fn.Body.Lbrace) || where >= at(fn.Body.Rbrace) {
			continue
		}
		name := fmt.Sprintf("%sMutant%d", fn.Name.Name, n)
		head := f.text[at(fn.Pos()):at(fn.Name.Pos())] + name + f.text[at(fn.Name.End()):at(fn.Body.Lbrace)]
		body := f.text[at(fn.Body.Lbrace):at(fn.Body.End())]
		f.mutants = append(f.mutants, head+strings.Replace(body, m.was, m.is, 1))
		f.asks[at(fn.Body.Lbrace)+1] += ask(t, fn, name, n)
		return
	}
	t.Fatalf("%s: what becomes wrong is in no function of %s", m.breaks, m.file)
}

// ask is the text that calls a function's mutant in its place.
func ask(t *testing.T, fn *ast.FuncDecl, name string, n int) string {
	t.Helper()
	var args []string
	for _, p := range fn.Type.Params.List {
		for _, is := range p.Names {
			args = append(args, is.Name)
		}
	}
	if slices.Contains(args, "_") || len(args) < fn.Type.Params.NumFields() {
		t.Fatalf("%s has parameters without names", fn.Name)
	}
	call := name + "(" + strings.Join(args, ", ") + ")"
	if fn.Recv != nil {
		call = fn.Recv.List[0].Names[0].Name + "." + call
	}
	if fn.Type.Results.NumFields() > 0 {
		call = "return " + call
	} else {
		call += "; return"
	}
	return fmt.Sprintf("\n\tif mutant == \"%d\" { %s }", n, call)
}

// result is the text with all that was added.
func (f *source) result() string {
	var b strings.Builder
	for i := range len(f.text) {
		b.WriteString(f.asks[i])
		b.WriteByte(f.text[i])
	}
	return b.String() + "\n" + strings.Join(f.mutants, "\n\n") + "\n"
}
