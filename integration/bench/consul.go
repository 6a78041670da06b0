package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// consulMirrors measures what it costs ours to watch, beside Kubernetes, a
// Consul that holds nothing but a bridge's mirrors of it.
func consulMirrors(ctx context.Context, b *bench) (all []figure, err error) {
	consul, err := servers.StartConsul(ctx, servers.Options{Log: b.log})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, consul.Stop()) }()
	if err := pin(consul.PID(), b.restCore); err != nil {
		return nil, err
	}
	if err := b.mirror(ctx, consul.URL()); err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	extra := []string{"consul dc1 " + consul.URL(), "require consul/dc1"}
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
	b.log(fmt.Sprintf("consul: settling for %v", b.settle))
	if err := sleep(ctx, b.settle); err != nil {
		return nil, err
	}
	resident, peak, err := l.memory()
	if err != nil {
		return nil, err
	}
	return []figure{
		newFigure("consul", "", "resident with a Consul full of mirrors", "MiB", resident).judge(&target{Against: alone, Times: 1.2}),
		newFigure("consul", "", "peak since start", "MiB", peak),
	}, nil
}

// mirror runs a bridge until Consul holds every Service of the world, and ends
// it. What it wrote stays.
func (b *bench) mirror(ctx context.Context, consul string) error {
	program := filepath.Join(b.tmp, "isthmus")
	if err := compile(ctx, module+"/build/isthmus", program, b.log); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	conf := filepath.Join(b.tmp, "bridge.conf")
	text := fmt.Sprintf(`bridge bench {
    kubernetes prod {
        kubeconfig %s
    }
    consul dc1 %s
    mirror kubernetes/prod consul/dc1
    lead none
    metrics %s
}
`, b.world.kube.Kubeconfig(), consul, local(port))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(program, "bridge", "-conf", conf)
	cmd.Env = []string{"HOME=" + b.tmp, "PATH=" + os.Getenv("PATH")}
	p, err := launch(cmd, b.serverCore, filepath.Join(b.tmp, "bridge.log"))
	if err != nil {
		return err
	}
	defer p.stop()
	return b.mirrored(ctx, p, consul, "http://"+local(port)+"/metrics")
}

// mirrored waits until Consul knows all Services and the bridge has nothing
// left to do.
func (b *bench) mirrored(ctx context.Context, p *process, consul, metrics string) error {
	start := time.Now()
	want := b.world.shape.Namespaces * b.world.shape.Services
	for seconds := 0; ; seconds++ {
		if err := errors.Join(p.alive(), sleep(ctx, time.Second)); err != nil {
			return err
		}
		n, pending, err := mirrorState(ctx, consul, metrics)
		if err == nil && n >= want && pending == 0 {
			b.log(fmt.Sprintf("consul: %d services after %.0f s", n, time.Since(start).Seconds()))
			return nil
		}
		if seconds%10 == 0 {
			b.log(fmt.Sprintf("consul: %d services, %.0f to write, %v", n, pending, err))
		}
	}
}

// mirrorState returns how many services Consul holds, and what the bridge has
// to write.
func mirrorState(ctx context.Context, consul, metrics string) (services int, pending float64, err error) {
	catalog, err := fetch(ctx, consul+"/v1/catalog/services")
	if err != nil {
		return 0, 0, err
	}
	var names map[string][]string
	if err := json.Unmarshal(catalog, &names); err != nil {
		return 0, 0, fmt.Errorf("read Consul's services: %w", err)
	}
	text, err := fetch(ctx, metrics)
	if err != nil {
		return 0, 0, err
	}
	return len(names), sum(string(text), "isthmus_rule_pending"), nil
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
