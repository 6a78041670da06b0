package hostile

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// endless stands before a real Consul, a real etcd and a real ZooKeeper. It answers
// nothing at first; then what they say of services never ends; then it hands on what they
// say.
type endless struct {
	consulURL, etcdURL string
	zookeeperAddress   string
	stage              atomic.Int32
	begun              [3]atomic.Int64 // answers without end, of Consul, of etcd and of ZooKeeper
	sent               [3]atomic.Int64 // bytes of them

	mu        sync.Mutex        // guards what follows
	zookeeper map[net.Conn]bool // to be closed when its stage ends
	stageOfZK int32             // ZooKeeper has stages of its own
}

// The stages.
const (
	mute = iota
	babbling
	through
)

const late = "late" // what they have, under this name and those with a number

func startEndless(t *testing.T) *endless {
	t.Helper()
	e := &endless{}
	consul, etcd := serverstest.Consul(t), serverstest.Etcd(t)
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range goods {
		body := fmt.Sprintf(`{"Node":"vm","Address":"10.45.0.1","Service":{"ID":"%[1]s-%[2]d","Service":"%[1]s-%[2]d","Port":80}}`, late, i)
		if _, err := request(t.Context(), http.MethodPut, consul.URL()+"/v1/catalog/register", []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.Put(t.Context(), zone+late+"/a", `{"host":"10.45.0.2"}`); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	zookeeper := serverstest.ZooKeeper(t)
	znodes := connect(t, zookeeper.Address())
	if err := node(znodes, "/services/"+late+"/a", instanceAt("10.45.0.3")); err != nil {
		t.Fatal(err)
	}
	named(t, znodes, "endless")
	e.beforeZooKeeper(t, zookeeper.Address())
	e.beforeConsul(t, consul.URL())
	e.beforeEtcd(t, strings.TrimPrefix(etcd.Endpoint(), "http://"))
	return e
}

func (e *endless) beforeConsul(t *testing.T, to string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	onward := httputil.NewSingleHostReverseProxy(u)
	onward.ErrorLog = log.New(io.Discard, "", 0)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if e.stage.Load() == mute {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if e.stage.Load() == through || !strings.HasPrefix(r.URL.Path, "/v1/health/service/"+late) || r.URL.Query().Has("filter") {
			onward.ServeHTTP(w, r)
			return
		}
		n, one := e.begun[0].Add(1), `{"Node":{"Node":"n","Address":"10.45.1.1","Meta":{"a":"b"}},"Service":{"ID":"a","Service":"b","Address":"10.45.1.1","Port":80,"Meta":{"a":"`+strings.Repeat("b", 150)+`"}}}`
		if n%3 == 2 {
			w.Header().Set("Content-Encoding", "gzip")
			z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // there is no error
			e.never(z, "["+one, strings.Repeat(","+one, 500))
			return
		}
		if n%3 == 1 {
			e.never(w, `[{"Node":{"Node":"`, strings.Repeat("a", 1<<16))
			return
		}
		e.never(w, "["+one, strings.Repeat(","+one, 500))
	}))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	e.consulURL = s.URL
}

// never writes what does not end before it is told to, or nobody listens.
func (e *endless) never(w io.Writer, begin, again string) {
	_, err := io.WriteString(w, begin)
	for err == nil && e.stage.Load() == babbling {
		_, err = io.WriteString(w, again)
		e.sent[0].Add(int64(len(again)))
	}
}

func (e *endless) beforeEtcd(t *testing.T, to string) {
	t.Helper()
	conn, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxSendMsgSize(math.MaxInt32))
	etcdserverpb.RegisterKVServer(s, &endlessKV{to: etcdserverpb.NewKVClient(conn), endless: e})
	etcdserverpb.RegisterWatchServer(s, handedWatch{to: etcdserverpb.NewWatchClient(conn)})
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-ended; _ = conn.Close() })
	e.etcdURL = "http://" + l.Addr().String()
}

// endlessKV has more pages behind every page of a list.
type endlessKV struct {
	etcdserverpb.UnimplementedKVServer
	to      etcdserverpb.KVClient
	endless *endless
}

const (
	pageBytes  = 50 << 20 // less than a client takes at once
	largePages = 6        // the first; the others have many keys
)

func (k *endlessKV) Range(ctx context.Context, r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	stage := k.endless.stage.Load() // once: what begins in one stage and ends in the next would be the end of a list
	if stage == mute {
		return nil, status.Error(codes.Unavailable, "not yet")
	}
	if stage == through && strings.HasPrefix(string(r.Key), zone+"n0") { // what began without end is no list of what is there
		return nil, status.Error(codes.Unavailable, "no more of it")
	}
	resp, err := k.to.Range(ctx, r)
	if err != nil || stage == through || len(r.RangeEnd) == 0 || !strings.HasPrefix(string(r.Key), zone) {
		return resp, err
	}
	page := k.endless.begun[1].Add(1)
	resp.More, resp.Kvs = true, nil
	keys, size := max(r.Limit, 1), 100
	if page <= largePages {
		size = pageBytes / int(keys)
	}
	value := []byte(`{"host":"10.45.2.1","text":"` + strings.Repeat("a", size) + `"}`)
	k.endless.sent[1].Add(keys * int64(len(value)))
	for i := range keys {
		resp.Kvs = append(resp.Kvs, &mvccpb.KeyValue{Key: fmt.Appendf(nil, "%sn%09d/%04d", zone, page, i), Value: value, ModRevision: 2, CreateRevision: 2, Version: 1})
	}
	return resp, nil
}

func (k *endlessKV) Txn(ctx context.Context, r *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	return k.to.Txn(ctx, r)
}

// handedWatch hands watches on.
type handedWatch struct {
	etcdserverpb.UnimplementedWatchServer
	to etcdserverpb.WatchClient
}

func (h handedWatch) Watch(client etcdserverpb.Watch_WatchServer) error {
	server, err := h.to.Watch(client.Context())
	if err != nil {
		return err
	}
	go func() { // until the client's context ends, which it does with this method
		for {
			r, err := client.Recv()
			if err != nil || server.Send(r) != nil {
				return
			}
		}
	}()
	for {
		r, err := server.Recv()
		if err == nil {
			err = client.Send(r)
		}
		if err != nil {
			return err
		}
	}
}
