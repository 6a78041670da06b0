package build

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/plugin/isthmus"
)

const stockPlugins = "github.com/coredns/coredns/core/plugin"

// TestPluginCfg holds that who builds an own CoreDNS by plugin.cfg gets the
// order of plugins that our main has.
func TestPluginCfg(t *testing.T) {
	stock := cfgLines(t, filepath.Join(goList(t, "{{.Dir}}", "-m", "github.com/coredns/coredns")[0], "plugin.cfg"))
	ours := cfgLines(t, "plugin.cfg")
	if len(ours) != 1 {
		t.Fatalf("plugin.cfg has %d lines, want one", len(ours))
	}
	directive, path, _ := strings.Cut(ours[0], ":")
	if want := goList(t, "{{.ImportPath}}", module+"/plugin/isthmus")[0]; path != want {
		t.Errorf("plugin.cfg names the package %q, want %q", path, want)
	}
	text, err := os.ReadFile("plugin.cfg")
	if err != nil {
		t.Fatal(err)
	}
	const before = "kubernetes:kubernetes"
	at := slices.Index(stock, before)
	if at < 0 || !strings.Contains(string(text), `right before the line "`+before+`"`) {
		t.Fatalf("plugin.cfg does not say that the line belongs before %q, or CoreDNS has no such line", before)
	}
	var order []string
	for _, line := range slices.Insert(stock, at, directive+":"+path) {
		name, _, _ := strings.Cut(line, ":")
		order = append(order, name)
	}
	if diff := cmp.Diff(order, isthmus.Directives(dnsserver.Directives)); diff != "" {
		t.Errorf("order of directives (-plugin.cfg +main):\n%s", diff)
	}
}

// cfgLines returns the lines of a plugin.cfg without comments.
func cfgLines(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestMainLinksStockPlugins holds that no plugin of CoreDNS was dropped, and
// that main takes its directives from CoreDNS and the plugin.
func TestMainLinksStockPlugins(t *testing.T) {
	linked := goList(t, "{{.ImportPath}}", "-deps", module+"/build/coredns")
	for _, p := range goList(t, `{{join .Imports "\n"}}`, stockPlugins) {
		if !slices.Contains(linked, p) {
			t.Errorf("build/coredns does not link %s", p)
		}
	}
	if n := len(goList(t, `{{join .Imports "\n"}}`, stockPlugins)); n < 50 {
		t.Errorf("CoreDNS has %d plugins, want more", n)
	}
	if !setsDirectives(t, "coredns/main.go") {
		t.Error("build/coredns does not call dnsserver.SetDirectives(isthmus.Directives(dnsserver.Directives))")
	}
}

func goList(t *testing.T, format string, args ...string) []string {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-f", format}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

func setsDirectives(t *testing.T, file string) bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if outer := call(n, "dnsserver", "SetDirectives"); outer != nil {
			if inner := call(outer.Args[0], "isthmus", "Directives"); inner != nil {
				found = isSelector(inner.Args[0], "dnsserver", "Directives")
			}
		}
		return !found
	})
	return found
}

func call(n ast.Node, pkg, name string) *ast.CallExpr {
	c, ok := n.(*ast.CallExpr)
	if !ok || len(c.Args) != 1 || !isSelector(c.Fun, pkg, name) {
		return nil
	}
	return c
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}
