package etcd

import (
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
	keys       []string
	size, most int
	limits     []int64
}

func (n *narrow) Range(_ context.Context, r *pb.RangeRequest, _ ...grpc.CallOption) (*pb.RangeResponse, error) {
	n.limits = append(n.limits, r.Limit)
	from, _ := slices.BinarySearch(n.keys, string(r.Key))
	to := len(n.keys)
	if r.Limit > 0 {
		to = min(to, from+int(r.Limit))
	}
	if (to-from)*n.size > n.most {
		return nil, status.Error(codes.ResourceExhausted, "larger than max")
	}
	resp := &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: 7}, More: to < len(n.keys)}
	for _, key := range n.keys[from:to] {
		resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: []byte(key), ModRevision: 7})
	}
	return resp, nil
}

// TestPages holds that a list asks for fewer keys at a time where their values are
// large, down to one, and never for all of them.
func TestPages(t *testing.T) {
	for _, tt := range []struct {
		name       string
		keys, size int
		want       []int64 // limits, in order
		err        codes.Code
	}{
		{name: "nothing there", want: []int64{1000}},
		{name: "small ones", keys: 5, size: 1, want: []int64{1000}},
		{name: "more than a page", keys: 1001, size: 1, want: []int64{1000, 1000}},
		{name: "a quarter of a page fits", keys: 400, size: 4, want: []int64{1000, 250, 250}},
		{name: "three fit, and it stays so", keys: 7, size: 333, want: []int64{1000, 250, 62, 15, 3, 3, 3}},
		{name: "two fit, which is one at a time and not all", keys: 4, size: 500, want: []int64{1000, 250, 62, 15, 3, 1, 1, 1, 1}},
		{name: "not even one fits", keys: 3, size: 1001, want: []int64{1000, 250, 62, 15, 3, 1}, err: codes.ResourceExhausted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := &narrow{size: tt.size, most: 1000}
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
