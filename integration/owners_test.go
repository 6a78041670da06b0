package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestOwners holds that no two stories have bridges of one owner: they share an API
// server, where the second one would be refused.
func TestOwners(t *testing.T) {
	stories, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(stories) == 0 {
		t.Fatalf("%d stories: %v", len(stories), err)
	}
	bridge := regexp.MustCompile(`(?m)^bridge (\S+) \{`)
	story := map[string]string{} // by owner
	for _, path := range stories {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range bridge.FindAllStringSubmatch(string(text), -1) {
			if other := story[m[1]]; other != "" && other != path {
				t.Errorf("%s and %s both have bridges of %q", other, path, m[1])
			}
			story[m[1]] = path
		}
	}
	if len(story) == 0 {
		t.Error("no story has a bridge")
	}
}
