package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// identity returns what the datacenter says it is. Without a certificate
// authority that is the least server, which changes when that server is
// replaced: the first one learned stays, as long as the datacenter has the
// same name.
func (c *client) identity(ctx context.Context) (catalog.Identity, error) {
	servers, _, err := c.service(ctx, self)
	if err != nil {
		return "", err
	}
	if len(servers) == 0 || servers[0].Node == nil {
		return "", errors.New("consul: no server is registered: the datacenter is starting, or the token cannot read it")
	}
	datacenter, least := servers[0].Node.Datacenter, servers[0].Node.ID
	ids := make(map[string]bool, len(servers))
	for _, s := range servers {
		if s.Node != nil {
			least, ids[s.Node.ID] = min(least, s.Node.ID), true
		}
	}
	cluster, err := c.cluster(ctx)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers = ids
	if cluster == "" && (c.least == "" || c.leastOf != datacenter) {
		c.least, c.leastOf = least, datacenter
	}
	if c.least != "" && c.leastOf == datacenter { // an authority that is new makes no other registry of this one
		cluster = c.least
	}
	return catalog.Identity(fmt.Sprintf("consul:%s:%s", datacenter, cluster) + c.tenant.suffix()), nil
}

var errOther = errors.New("consul: another datacenter answers than the one that was read")

// same returns an error if another datacenter answers than the one of that identity.
func (c *client) same(ctx context.Context, id catalog.Identity) error {
	is, err := c.identity(ctx)
	if err == nil && is != id {
		err = errOther
	}
	return err
}

// isServer reports whether the node of this id was a server's when the identity was
// asked for last.
func (c *client) isServer(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.servers[id]
}

// cluster returns the id that the certificate authority gave the cluster, or
// "" where the servers run without one.
func (c *client) cluster(ctx context.Context) (string, error) {
	var roots struct{ TrustDomain string }
	_, err := c.get(ctx, "/v1/connect/ca/roots", nil, &roots)
	var status *statusError
	switch {
	case errors.As(err, &status) && status.code == http.StatusInternalServerError && strings.Contains(status.text, "Connect must be enabled"):
		return "", nil
	case err != nil:
		return "", err
	case roots.TrustDomain == "":
		return "", errors.New("consul: the certificate authority is not set up yet")
	}
	id, _, _ := strings.Cut(roots.TrustDomain, ".")
	return id, nil
}
