package serverstest

import (
	"strings"
	"sync"
)

// Output is what a program or a logger printed so far. Goroutines may write and read it at the same time; the zero value is
// ready for use, and is not to be copied after that.
type Output struct {
	mu  sync.Mutex // guards all
	all strings.Builder
}

// Write appends b; it returns no error.
func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(b)
}

// String returns all that was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}
