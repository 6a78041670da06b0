package zookeeper

import (
	"errors"
	"testing"

	"github.com/go-zookeeper/zk"
)

// TestCodes holds that what the library has no word for is said in words, whether a
// server refuses a request by it or one operation of a transaction.
func TestCodes(t *testing.T) {
	codes := []int{-127, -119, -6, -1, -124, -101, 0}
	s, err := fake(t, greets(10_000), func(xid int) []byte {
		code := codes[0]
		if codes = codes[1:]; code != 0 {
			return frame(xid, int64(9), code)
		}
		return frame(xid, int64(9), 0, opFailed, []byte{0}, -125, -125, -1, []byte{1}, -1)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{errThrottled, errReadOnly, errOld, errSystem, errSASL, zk.ErrNoNode} {
		if _, _, err := s.get(t.Context(), "/a", false); !errors.Is(err, want) {
			t.Errorf("get = %v, want %v", err, want)
		}
	}
	if _, err := s.multi(t.Context(), []op{{do: set, path: "/a"}}, nil); !errors.Is(err, errQuota) {
		t.Errorf("multi = %v, want %v", err, errQuota)
	}
}
