package etcd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"

	"github.com/isthmus-dns/isthmus/catalog"
)

// idKey is where the id stands by which one etcd is told from every other.
const idKey = "/" + stateRoot + "/id"

// self is what an etcd says of itself.
type self struct {
	cluster uint64
	id      string // "" while nobody wrote it, or where it may not be read
}

// identity is that of the zone. An id that somebody wrote by hand may be of any
// form, what is made of it is not.
func (s self) identity(l layout) catalog.Identity {
	zone := url.URL{Path: strings.TrimSuffix(l.base, "/")}
	text := "etcd:" + strconv.FormatUint(s.cluster, 16) + ":" + zone.EscapedPath()
	if s.id != "" {
		text += ":" + label(s.id, 0)
	}
	return catalog.Identity(text)
}

// probed is the answer to the least question.
type probed struct {
	self
	revision int64
	hidden   bool // the user may not read the id
}

// probe asks the least question.
func probe(ctx context.Context, client *clientv3.Client, l layout) (probed, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	resp, err := client.Get(ctx, idKey)
	hidden := codeOf(err) == codes.PermissionDenied
	if hidden {
		resp, err = client.Get(ctx, l.base, clientv3.WithCountOnly())
	}
	if err != nil {
		return probed{}, fmt.Errorf("reach server: %w", err)
	}
	p := probed{self{cluster: resp.Header.ClusterId}, resp.Header.Revision, hidden}
	if len(resp.Kvs) == 1 {
		p.id = string(resp.Kvs[0].Value)
	}
	return p, nil
}

// identify asks the least question, once there is an id if there can be one.
func identify(ctx context.Context, client *clientv3.Client, l layout) (probed, error) {
	p, err := probe(ctx, client, l)
	if err != nil || p.id != "" || p.hidden {
		return p, err
	}
	p.id, err = createID(ctx, client)
	return p, err
}

// createID writes the id unless another was quicker, and returns what stands
// then: "" if the server takes no such write, since reading never waits for it.
func createID(ctx context.Context, client *clientv3.Client) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	id := strings.ToLower(rand.Text())
	resp, err := client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(idKey), "=", 0)).
		Then(clientv3.OpPut(idKey, id)).
		Else(clientv3.OpGet(idKey)).Commit()
	switch {
	case codeOf(err) == codes.PermissionDenied, errors.Is(err, rpctypes.ErrNoSpace):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("write %q: %w", idKey, err)
	case resp.Succeeded:
		return id, nil
	}
	return string(resp.Responses[0].GetResponseRange().Kvs[0].Value), nil
}
