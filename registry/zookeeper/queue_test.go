package zookeeper

import (
	"fmt"
	"testing"
)

// TestQueue holds that questions come in order, and that those about one service wait for
// no more than one of each other's.
func TestQueue(t *testing.T) {
	var q queue
	for i := range 1000 {
		q.push(fmt.Sprintf("crowd/c%d", i), question{path: fmt.Sprint("/services/crowd/c", i)})
	}
	q.push("web", question{path: "/services/web"})
	q.push("", question{path: "/services", list: true})
	q.push("web", question{path: "/services/web/a"})
	want := []string{"/services/crowd/c0", "/services/web", "/services", "/services/crowd/c1", "/services/web/a", "/services/crowd/c2", "/services/crowd/c3"}
	for i, path := range want {
		if got := q.pop().path; got != path {
			t.Errorf("question %d is %q, want %q", i, got, path)
		}
	}
	n := 0
	for ; !q.empty(); n++ {
		q.pop()
	}
	if n != 996 || len(q.of) > 0 {
		t.Errorf("%d questions more, and %d are left; want 996 and none", n, len(q.of))
	}
}
