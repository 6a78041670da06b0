// Package build holds the programs and, here, the tests of the repository
// itself: its layers, its form and its documents.
package build

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxFileLines     = 400
	maxFunctionLines = 100
)

// TestTools runs the tools that judge the whole module.
func TestTools(t *testing.T) {
	for _, args := range [][]string{
		{"go", "vet", "./..."},
		{"go", "tool", "staticcheck", "./..."},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.Dir = ".."
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	t.Run("gofmt -s", func(t *testing.T) {
		cmd := exec.Command("gofmt", append([]string{"-s", "-l"}, goFiles(t)...)...)
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("not formatted (%v):\n%s", err, out)
		}
	})
}

// goFiles lists the tracked and the new Go files, relative to the module.
func goFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.go")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var files []string
	for _, f := range strings.Fields(string(out)) {
		if _, err := os.Stat(filepath.Join("..", f)); err == nil {
			files = append(files, f)
		}
	}
	return files
}

// TestForm holds the sizes, and that nothing of ours registers itself.
func TestForm(t *testing.T) {
	fset := token.NewFileSet()
	for _, name := range goFiles(t) {
		f, err := parser.ParseFile(fset, filepath.Join("..", name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		isTest := strings.HasSuffix(name, "_test.go")
		if n := fset.File(f.Pos()).LineCount(); n > maxFileLines && !isTest {
			t.Errorf("%s has %d lines, at most %d", name, n, maxFileLines)
		}
		for _, d := range f.Decls {
			checkDecl(t, fset, name, d, isTest)
		}
	}
}

func checkDecl(t *testing.T, fset *token.FileSet, file string, d ast.Decl, isTest bool) {
	t.Helper()
	switch d := d.(type) {
	case *ast.FuncDecl:
		lines := fset.Position(d.End()).Line - fset.Position(d.Pos()).Line + 1
		if lines > maxFunctionLines && !isTest {
			t.Errorf("%s: %s has %d lines, at most %d", file, d.Name.Name, lines, maxFunctionLines)
		}
		if d.Name.Name == "init" && d.Recv == nil && file != "plugin/isthmus/setup.go" && file != "build/coredns/main.go" {
			t.Errorf("%s: an init of ours; only the one that CoreDNS wants is allowed", file)
		}
		if d.Name.IsExported() && exportedReceiver(d) && d.Doc == nil && !isTest {
			t.Errorf("%s: exported %s has no doc comment", file, d.Name.Name)
		}
	case *ast.GenDecl:
		checkGenDecl(t, file, d, isTest)
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}

func checkGenDecl(t *testing.T, file string, d *ast.GenDecl, isTest bool) {
	t.Helper()
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && !isTest {
				t.Errorf("%s: exported type %s has no doc comment", file, s.Name.Name)
			}
		case *ast.ValueSpec:
			for _, n := range s.Names {
				if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil && !isTest {
					t.Errorf("%s: exported %s has no doc comment", file, n.Name)
				}
			}
		}
	}
}

// TestPackageDocs holds that each package says what it is.
func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}
