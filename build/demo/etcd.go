package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// startEtcd starts a one-member etcd in dir and waits until it serves. It
// forgets everything when dir goes, so it does not wait for the disk either.
func startEtcd(ctx context.Context, dir string, out io.Writer) (*embed.Etcd, string, error) {
	client, err := loopbackURL(2379, out)
	if err != nil {
		return nil, "", err
	}
	peer, err := loopbackURL(0, out)
	if err != nil {
		return nil, "", err
	}
	cfg := embed.NewConfig()
	cfg.Dir, cfg.Name = dir, "demo"
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop()) // what fails is returned
	cfg.UnsafeNoFsync = true
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("start etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, client.String(), nil
	case err := <-e.Err():
		e.Close()
		return nil, "", fmt.Errorf("start etcd: %w", err)
	case <-ctx.Done():
		e.Close()
		return nil, "", ctx.Err()
	}
}

func loopbackURL(wish int, out io.Writer) (*url.URL, error) {
	port, err := freePort(wish, out)
	if err != nil {
		return nil, err
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}, nil
}

// freePort returns wish, if nobody listens there over TCP or UDP, else any
// port that is free, and says so.
func freePort(wish int, out io.Writer) (int, error) {
	for _, port := range []int{wish, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		got := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenPacket("udp", l.Addr().String())
		l.Close()
		if err != nil {
			continue
		}
		u.Close()
		if wish != 0 && got != wish {
			fmt.Fprintf(out, "port %d is in use, so %d is taken\n", wish, got)
		}
		return got, nil
	}
	return 0, fmt.Errorf("find a free port on 127.0.0.1 near %d", wish)
}
