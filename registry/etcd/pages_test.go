package etcd

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// narrow is an etcd whose keys have values of one size, and whose answers hold no
// more than some bytes. It notes the limit of each question.
type narrow struct {
	pb.KVClient
	keys   []string
	value  []byte
	most   int
	limits []int64
}

func (n *narrow) Range(_ context.Context, r *pb.RangeRequest, _ ...grpc.CallOption) (*pb.RangeResponse, error) {
	n.limits = append(n.limits, r.Limit)
	from, _ := slices.BinarySearch(n.keys, string(r.Key))
	to := len(n.keys)
	if r.Limit > 0 {
		to = min(to, from+int(r.Limit))
	}
	if (to-from)*len(n.value) > n.most {
		return nil, status.Error(codes.ResourceExhausted, "larger than max")
	}
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: 7}, More: to < len(n.keys)}
	for _, key := range n.keys[from:to] {
		resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(key), Value: n.value, ModRevision: 7})
	}
	return resp, nil
}

// TestPages holds that a list asks for fewer keys at a time where their values are
// large, down to one, and never for all of them.
func TestPages(t *testing.T) {
	for _, tt := range []struct {
		name       string
		keys, size int     // of a value, in bytes
		want       []int64 // limits, in order
		err        codes.Code
	}{
		{name: "nothing there", want: []int64{1000}},
		{name: "small ones", keys: 5, size: 1, want: []int64{1000}},
		{name: "more than a page", keys: 1001, size: 1 << 10, want: []int64{1000, 4048}},
		{name: "a quarter of a page fits", keys: 280, size: 256 << 10, want: []int64{1000, 250, 15, 15}},
		{name: "three fit", keys: 5, size: 21 << 20, want: []int64{1000, 250, 62, 15, 3, 1, 1}},
		{name: "two fit, which is one at a time and not all", keys: 4, size: 32 << 20, want: []int64{1000, 250, 62, 15, 3, 1, 1, 1, 1}},
		{name: "not even one fits", keys: 3, size: 65 << 20, want: []int64{1000, 250, 62, 15, 3, 1}, err: codes.ResourceExhausted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &narrow{value: make([]byte, tt.size), most: 64 << 20}
			for i := range tt.keys {
				n.keys = append(n.keys, fmt.Sprintf("/skydns/%04d", i))
			}
			client := clientv3.NewCtxClient(t.Context())
			client.KV = clientv3.NewKVFromKVClient(n, client)
			items, _, err := list(t.Context(), client, "/skydns/")
			if codeOf(err) != tt.err || err == nil && len(items) != tt.keys {
				t.Errorf("list = %d keys, %v, want %d, %v", len(items), err, tt.keys, tt.err)
			}
			if diff := cmp.Diff(tt.want, n.limits); diff != "" {
				t.Errorf("limits: -want +got\n%s", diff)
			}
		})
	}
}

// TestNextPage holds that pages are as many keys as make a few megabytes, of however
// large values, and never none, which would be no limit.
func TestNextPage(t *testing.T) {
	for _, c := range []struct {
		keys, size int
		want       int64
	}{
		{keys: 1000, size: 100, want: maxPage},
		{keys: 1000, size: 1 << 10, want: 4096},
		{keys: 20_000, size: 1 << 10, want: 4096},
		{keys: 2, size: 1 << 20, want: 4},
		{keys: 1, size: 3 << 20, want: 1},
		{keys: 1, size: 16 << 20, want: 1},
		{keys: 1, size: 1, want: maxPage},
	} {
		t.Run(fmt.Sprintf("%d keys of %d bytes", c.keys, c.size), func(t *testing.T) {
			var before []*mvccpb.KeyValue
			for range c.keys {
				before = append(before, &mvccpb.KeyValue{Key: []byte("k"), Value: bytes.Repeat([]byte("v"), c.size-1)})
			}
			if got := nextPage(before); got != c.want {
				t.Errorf("nextPage = %d, want %d", got, c.want)
			}
		})
	}
}
