package bridge

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestCovered holds that BEHAVIOURS.md has a row for each number, and that each
// row names tests and stories that exist, or says why there are none.
func TestCovered(t *testing.T) {
	text, err := os.ReadFile("BEHAVIOURS.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \| (.*) \|(.*)\|$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) < 101 {
		t.Errorf("%d rows, want 101 or more", len(rows))
	}
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Fatalf("row %s, want %d", row[1], i+1)
		}
		tests := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[4], -1)
		reason := regexp.MustCompile(`does not apply|^as \d+$|not asserted`).MatchString(row[3])
		if len(tests) == 0 && !reason {
			t.Errorf("row %d names no test, and no reason why not", i+1)
		}
		for _, test := range tests {
			if err := exists(test[1]); err != nil {
				t.Errorf("row %d: %v", i+1, err)
			}
		}
	}
}

// TestCoveredCanFail holds that tests which are not there are found missing.
func TestCoveredCanFail(t *testing.T) {
	for _, name := range []string{"nothing.txtar", "bridge/testdata/bad/nothing.conf", "bridge.TestNothing", "bridge.TestBehaviours/nothing", "nowhere.TestCovered"} {
		if exists(name) == nil {
			t.Errorf("%q is found", name)
		}
	}
}

// exists returns an error unless a story, a file, or a function's case is there.
func exists(name string) error {
	if strings.HasSuffix(name, ".txtar") {
		_, err := os.Stat(filepath.Join("../integration/testdata", name))
		return err
	}
	if strings.HasSuffix(name, ".conf") {
		_, err := os.Stat(filepath.Join("..", name))
		return err
	}
	folder, test, _ := strings.Cut(name, ".")
	function, of, _ := strings.Cut(test, "/")
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if says(string(text), function, of) {
			return nil
		}
	}
	return fmt.Errorf("there is no %q", name)
}

// says reports whether a file has a function and, if one is named, its case: a
// text in quotes that is the case's name, or begins with it and a space.
func says(text, function, of string) bool {
	declared := regexp.MustCompile(`(?m)^func (\(\w+ \*?\w+\) )?` + function + `\(`).MatchString(text)
	return declared && (of == "" || strings.Contains(text, `"`+of+`"`) || strings.Contains(text, `"`+of+` `))
}
