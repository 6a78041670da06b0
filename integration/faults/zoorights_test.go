package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

func (z *zooTarget) name() string      { return z.called }
func (z *zooTarget) origin() string    { return "zookeeper/" + z.called }
func (z *zooTarget) servers() []string { return z.at }

func (z *zooTarget) before(g *gate, server string) (string, func(), error) {
	return newFrames(g, &z.given, server)
}

func (z *zooTarget) stanza(at []string, folder string) string {
	return fmt.Sprintf(`zookeeper %s %s {
        auth_file %s/zookeeper
        compare 20s
    }`, z.called, strings.Join(at, " "), folder)
}

// grant has nobody but an administrator change anything, who types what is printed at
// ZooKeeper's own client.
func (z *zooTarget) grant(ctx context.Context, rights, folder string) error {
	const user, password = "bridge", "secret"
	if err := os.WriteFile(filepath.Join(folder, "zookeeper"), []byte(user+":"+password), 0o600); err != nil {
		return err
	}
	err := z.ask(ctx, func() error { _, err := z.conn.SetACL("/", z.acl(), -1); return err })
	if err != nil {
		return err
	}
	digest := zk.DigestACL(zk.PermAll, user, password)[0].ID
	text := strings.NewReplacer("ADMIN:PASSWORD", admin, "USER:HASH", digest, " ID ", " "+z.called+" ").Replace(rights)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	said, err := servers.TypeZooKeeper(ctx, strings.Join(z.at, ","), lines...)
	if err == nil && strings.Count(said, "Created /") != strings.Count(text, "create /") {
		err = fmt.Errorf("typed:\n%s\nsaid:\n%s", text, said)
	}
	return err
}

// acl lets all read and the administrator do everything.
func (z *zooTarget) acl() []zk.ACL {
	return append(zk.WorldACL(zk.PermRead), zk.ACL{Perms: zk.PermAll, Scheme: "auth"})
}

// native has the registry's name in it, since those of two come into one namespace.
func (z *zooTarget) native(what string) string { return "in-" + z.called + "-" + what }

// register is what Curator's clients do for an instance that stays.
func (z *zooTarget) register(ctx context.Context, name, address string) error {
	return z.ask(ctx, func() error { return z.enrol(z.conn, name, address, "STATIC") })
}

func (z *zooTarget) deregister(ctx context.Context, name string) error {
	return z.ask(ctx, func() error { return z.conn.Delete(services+"/"+name+"/1", -1) })
}

// enrol makes an instance, which a DYNAMIC one is as long as the session of conn.
func (z *zooTarget) enrol(conn *zk.Conn, name, address, kind string) error {
	flags := int32(zk.FlagPersistent)
	if kind == "DYNAMIC" {
		flags = zk.FlagEphemeral
	}
	path := services + "/" + name
	data := fmt.Sprintf(`{"name":%q,"id":"1","address":%q,"port":5432,"sslPort":null,"payload":null,"registrationTimeUTC":1700000000000,"serviceType":%q,"uriSpec":null}`,
		name, address, kind)
	_, err := conn.CreateContainer(path, nil, zk.FlagContainer, z.acl())
	if err == nil || errors.Is(err, zk.ErrNodeExists) {
		_, err = conn.Create(path+"/1", []byte(data), flags, z.acl())
	}
	return err
}
