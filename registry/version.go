package registry

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// VersionOf returns the version of a service that is made of records, in whatever order:
// it is another one whenever a record comes, goes or is written. of returns a record's
// name and the revision or transaction that wrote it last. Of no records it is "".
func VersionOf[R any](records []R, of func(R) (name string, at int64)) string {
	if len(records) == 0 {
		return ""
	}
	byName := func(a, b R) int {
		one, _ := of(a)
		other, _ := of(b)
		return cmp.Compare(one, other)
	}
	if !slices.IsSortedFunc(records, byName) {
		records = slices.SortedFunc(slices.Values(records), byName)
	}
	h := sha256.New()
	newest := int64(0)
	var buf []byte
	for _, r := range records {
		name, at := of(r)
		newest = max(newest, at)
		buf = append(append(buf[:0], name...), 0)
		buf = binary.BigEndian.AppendUint64(buf, uint64(at))
		h.Write(buf)
	}
	return fmt.Sprintf("%d-%d-%s", newest, len(records), hex.EncodeToString(h.Sum(nil)[:8]))
}
