package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// consulMirrors measures what it costs ours to watch, beside Kubernetes, a
// Consul that holds nothing but a bridge's mirrors of it. While it is filled
// everything may use both cores; then Consul goes aside.
func consulMirrors(ctx context.Context, b *bench) (all []figure, err error) {
	if err := b.fillConsul(ctx); err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	extra := []string{"consul dc1 " + b.targets.consul.URL(), "require consul/dc1"}
	l := lives{first: map[side][]float64{}}
	defer func() { l.stop() }()
	for pair := range min(b.pairs, keptPairs) {
		for _, s := range inTurn([]side{ours, alone}, pair) {
			more := extra
			if s == alone {
				more = nil
			}
			if err := l.live(ctx, b, s, true, more...); err != nil {
				return nil, err
			}
		}
	}
	resident, peak, err := l.memory(ctx, b, "consul")
	if err != nil {
		return nil, err
	}
	return []figure{
		newFigure("consul", "", "resident with a Consul full of mirrors", "MiB", resident).judge(&target{Against: alone, Times: 1.2}),
		newFigure("consul", "", "peak since start", "MiB", peak),
	}, nil
}

// fillConsul has a bridge mirror the world into Consul, unless that is done.
// What it wrote stays.
func (b *bench) fillConsul(ctx context.Context) (err error) {
	if b.targets.full {
		return nil
	}
	if err := b.spread(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.moveAside()) }()
	if err := b.startTargets(ctx); err != nil {
		return err
	}
	m, err := b.startBridge(ctx, mirroring{kubeconfig: b.world.kube.Kubeconfig(), consul: b.targets.consul.URL()})
	if err != nil {
		return err
	}
	defer m.stop()
	taken, err := m.settled(ctx, "consul", b.world.shape.size())
	if err == nil {
		b.log(fmt.Sprintf("consul: full after %.0f s", taken.Seconds()))
		b.targets.full = true
	}
	return err
}

// fetch returns the body of a successful answer.
func fetch(ctx context.Context, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", url, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %q: %s: %s", url, answer.Status, body)
	}
	return body, nil
}
