package zookeeper

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/catalog"
)

// idPath is where the id stands by which one ensemble is told from every other.
const idPath = stateRoot + "/id"

// identityOf is that of the path in the ensemble of an id, "" where none can be read.
// An id that somebody wrote by hand may be of any form, what is made of it is not.
func identityOf(path, id string) catalog.Identity {
	text := "zookeeper:" + (&url.URL{Path: path}).EscapedPath()
	switch {
	case id == "":
		return catalog.Identity(text)
	case !plainLabel(id):
		sum := sha256.Sum256([]byte(id))
		id = "x" + hex.EncodeToString(sum[:8])
	}
	return catalog.Identity(text + ":" + id)
}

// probe asks the least question: for the id. It is "" while nobody wrote one, and
// for a user who may not read it, from whom it is hidden.
func probe(ctx context.Context, s *session) (id string, hidden bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime, errSlow)
	defer cancel()
	data, _, err := s.get(ctx, idPath, false)
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return "", false, nil
	case errors.Is(err, zk.ErrNoAuth):
		return "", true, nil
	case err != nil:
		return "", false, fmt.Errorf("reach server: %w", err)
	}
	return strings.TrimSpace(string(data)), false, nil
}

var errHidden = fmt.Errorf("the id at %q was known, and may not be read any more", idPath)

// identify returns the id, which it makes if there is none and it may. One that was
// known and is hidden now may be what it was, so that this is no other ensemble.
func (z *zookeeper) identify(ctx context.Context, s *session) (string, error) {
	id, hidden, err := probe(ctx, s)
	switch {
	case hidden && z.table.identified():
		return "", errHidden
	case err != nil || id != "" || hidden:
		return id, err
	}
	acl := z.config.acl()
	if acl == nil {
		return "", nil
	}
	if err := createID(ctx, s, acl); err != nil {
		return "", err
	}
	id, _, err = probe(ctx, s)
	return id, err
}

// createID writes an id unless another was quicker. A server that does not let us is
// no error, since reading never waits for an id.
func createID(ctx context.Context, s *session, acl []zk.ACL) error {
	ctx, cancel := context.WithTimeoutCause(ctx, writeTime, errSlow)
	defer cancel()
	err := makeNode(idPath, func(path string) error {
		if path != idPath {
			return s.create(ctx, path, nil, acl)
		}
		return s.create(ctx, path, []byte(strings.ToLower(rand.Text())), acl)
	})
	if err != nil && s.over.Err() != nil {
		return fmt.Errorf("write %q: %w", idPath, err)
	}
	return nil
}

// same returns an error if another ensemble answers than the one that was read last.
func (z *zookeeper) same(ctx context.Context, s *session) error {
	id, hidden, err := probe(ctx, s)
	if err == nil && !hidden && !z.table.isOf(id) {
		err = errOther
	}
	return err
}

// isOf reports whether the table may hold what the ensemble of an id has.
func (t *table) isOf(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id == "" || t.id == id
}

// identified reports whether the id of the ensemble is known.
func (t *table) identified() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id != ""
}
