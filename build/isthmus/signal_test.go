package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSignals holds that both signals by which programs are told to end do so, and
// that it is no error.
func TestSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := t.TempDir()
			file, at := filepath.Join(dir, "bridge.conf"), dead(t)
			conf := fmt.Sprintf("bridge ends {\n\tmanifests m %s\n\tetcd edge http://%s\n\tmirror manifests/m etcd/edge\n\tlead none\n\tmetrics %s\n}\n", dir, dead(t), at)
			if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
				t.Fatal(err)
			}
			ended := make(chan int, 1)
			go func() { ended <- run([]string{"bridge", "-conf", file}, io.Discard, t.Output()) }()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for status(t.Context(), "http://"+at+"/healthz") != "200" {
				select {
				case got := <-ended:
					t.Fatalf("ended with %d before it was told to", got)
				case <-tick.C:
				}
			}
			if err := syscall.Kill(os.Getpid(), sig); err != nil {
				t.Fatal(err)
			}
			if got := <-ended; got != 0 {
				t.Errorf("exit status %d, want 0", got)
			}
		})
	}
}
