package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

const module = "github.com/isthmus-dns/isthmus"

// programs are the executables to measure.
type programs map[side]string

// buildPrograms builds those that given has none of: stock into the cache of
// servers, the others into dir. All with the same flags.
func buildPrograms(ctx context.Context, dir string, given programs, log func(string)) (programs, error) {
	built := programs{}
	for s, pkg := range map[side]string{ours: "/build/coredns", floor: "/integration/bench/constant"} {
		built[s] = given[s]
		if built[s] != "" {
			continue
		}
		built[s] = filepath.Join(dir, filepath.Base(pkg))
		if err := compile(ctx, module+pkg, built[s], log); err != nil {
			return nil, err
		}
	}
	built[alone] = built[ours]
	built[stock] = given[stock]
	if built[stock] != "" {
		return built, nil
	}
	var err error
	built[stock], err = servers.Build(ctx, servers.CoreDNS, log)
	return built, err
}

func compile(ctx context.Context, pkg, out string, log func(string)) error {
	start := time.Now()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %q: %w\n%s", pkg, err, text)
	}
	log(fmt.Sprintf("built %s in %.0f s", pkg, time.Since(start).Seconds()))
	return nil
}
