package bridge

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	readTime  = 5 * time.Second  // a request has arrived by then
	writeTime = 30 * time.Second // an answer is taken by then
	maxHeader = 1 << 16
	maxBody   = 1 << 10 // nothing that is served wants one
)

// serve serves the pages that the configuration asks for until ctx ends.
func (b *Bridge) serve(ctx context.Context, wg *sync.WaitGroup) error {
	if err := b.serveAt(ctx, wg, "metrics", b.config.Metrics, b.pages); err != nil {
		return err
	}
	return b.serveAt(ctx, wg, "admin", b.config.Admin, b.admin)
}

// serveAt serves the handler at an address, unless that is "". An address that
// cannot be had is an error.
func (b *Bridge) serveAt(ctx context.Context, wg *sync.WaitGroup, what, address string, handler func() http.Handler) error {
	if address == "" {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("serve %s: %w", what, err)
	}
	server := &http.Server{
		Handler:     http.MaxBytesHandler(handler(), maxBody),
		ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader,
	}
	wg.Go(func() {
		if err := server.Serve(listener); ctx.Err() == nil {
			b.log.Error("no longer served", "what", what, "error", err)
		}
	})
	wg.Go(func() {
		<-ctx.Done()
		_ = server.Close() // nobody is served after the end
	})
	b.log.Info("serving "+what, "address", listener.Addr().String())
	return nil
}
