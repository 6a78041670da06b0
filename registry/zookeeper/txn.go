package zookeeper

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/registry"
)

// refusal is which operation of a transaction a server refused, and why. Nothing of
// the transaction was done.
type refusal struct {
	at  int
	err error
}

func (r *refusal) Error() string { return fmt.Sprintf("operation %d: %v", r.at, r.err) }
func (r *refusal) Unwrap() error { return r.err }

// multi does operations in one transaction, and returns the number of that if one of
// them is a set: it is all that tells when the others were done. An error is a *refusal,
// or says that nobody knows the outcome.
func (s *session) multi(ctx context.Context, ops []op, acl []zk.ACL) (zxid int64, err error) {
	all := make([]any, len(ops))
	for i, o := range ops {
		all[i] = o.request(acl)
	}
	var answers []zk.MultiResponse
	err = s.ask(ctx, func() (err error) {
		answers, err = s.conn.Multi(all...)
		return err
	})
	for i, a := range answers {
		if a.Error != nil {
			return 0, &refusal{i, s.explain(a.Error)}
		}
		if a.Stat != nil {
			zxid = max(zxid, a.Stat.Mzxid)
		}
	}
	if err == nil && len(answers) != len(ops) {
		err = errAnswer
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", err, registry.ErrUnknownOutcome)
	}
	return zxid, nil
}

var errAnswer = errors.New("an answer to something else")

// request is the operation in the client's words.
func (o op) request(acl []zk.ACL) any {
	switch o.do {
	case create:
		flags := int32(zk.FlagPersistent)
		if o.dynamic {
			flags = zk.FlagEphemeral
		}
		return &zk.CreateRequest{Path: o.path, Data: o.data, Acl: acl, Flags: flags}
	case set:
		return &zk.SetDataRequest{Path: o.path, Data: o.data, Version: o.version}
	case remove:
		return &zk.DeleteRequest{Path: o.path, Version: o.version}
	}
	return &zk.CheckVersionRequest{Path: o.path, Version: o.version}
}

// container makes a node that the server takes away once nothing is below it any more,
// as Curator does above instances. One that is there is no error.
func (s *session) container(ctx context.Context, path string, acl []zk.ACL) error {
	err := s.ask(ctx, func() error {
		_, err := s.conn.CreateContainer(path, nil, zk.FlagContainer, acl)
		return err
	})
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}
