package etcd

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestSeveralAtATime holds that a write does not wait for the end of one
// transaction to begin the next, once the server took the first: the ends are
// held up until the last but one was planned.
func TestSeveralAtATime(t *testing.T) {
	z := newZone(t)
	e := z.writer(t, "prod")
	defer e.Close()
	claimed(t, e)
	var all []*catalog.Service
	plans := map[*catalog.Service][]op{}
	for i := range 6 {
		s := mirror("prod", fmt.Sprintf("s%d", i), maxOps) // a transaction each
		ops, err := e.table.planPut(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		all, plans[s] = append(all, s), ops
	}
	late := false
	goOn := sync.OnceFunc(e.table.mu.Unlock)
	giveUp := time.AfterFunc(20*time.Second, func() { late = true; goOn() })
	defer giveUp.Stop()
	for i, r := range e.write(t.Context(), all, func(s *catalog.Service, _ map[string]catalog.Ref) ([]op, error) {
		switch s {
		case all[2]:
			e.table.mu.Lock()
		case all[1+maxFlights]:
			goOn()
		}
		return plans[s], nil
	}) {
		if r.Err != nil || r.Version == "" {
			t.Errorf("write of %s = %q, %v", all[i].Key, r.Version, r.Err)
		}
	}
	if late {
		t.Error("one transaction at a time")
	}
}
