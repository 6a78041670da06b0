package kubeobject

import "sync"

// maxTexts is how many texts are known at a time. Nodes come and go for years.
const maxTexts = 1 << 14

// Texts keeps one copy of each text that many objects repeat: namespaces,
// nodes, zones, names of ports. Its zero value is ready, any number of
// goroutines may use it, and a nil one keeps nothing.
type Texts struct {
	mu    sync.Mutex // guards known
	known map[string]string
}

// One returns a string equal to s, the same for all who ask.
func (t *Texts) One(s string) string {
	if t == nil || s == "" {
		return s
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if same, ok := t.known[s]; ok {
		return same
	}
	if t.known == nil || len(t.known) >= maxTexts {
		t.known = map[string]string{}
	}
	t.known[s] = s
	return s
}
