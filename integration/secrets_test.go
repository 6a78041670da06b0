package integration

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/isthmus-dns/isthmus/integration/servers"
)

// secured TOKEN starts a Consul behind access rules and TLS, whose address is
// $SECURED from then on; TOKEN may do everything there. The certificates are
// those of the API server, which hold for all of this host: ca.crt, tls.crt and
// secrets/tls.key.
func secured(ts *testscript.TestScript, args []string) ([]byte, error) {
	s := ts.Value(storyKey{}).(*story)
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cert, key := s.kube.ServerFiles()
	rules := fmt.Sprintf(`acl { enabled = true, default_policy = "deny", tokens { initial_management = %[1]q, default = %[1]q } }
		ports { https = %[2]d }
		tls { https { ca_file = %[3]q, cert_file = %[4]q, key_file = %[5]q } }`, args[0], port, s.kube.CAFile(), cert, key)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	consul, err := servers.StartConsul(ctx, servers.Options{Log: progress, Args: []string{"-hcl", rules}})
	if err != nil {
		return nil, err
	}
	ts.Defer(func() { _ = consul.Stop() })
	if _, err := request(http.MethodPut, consul.URL()+"/v1/agent/token/default", args[0], "", []byte(`{"Token": ""}`)); err != nil {
		return nil, err
	}
	for from, to := range map[string]string{s.kube.CAFile(): "ca.crt", cert: "tls.crt", key: "secrets/tls.key"} {
		if err := os.WriteFile(ts.MkAbs(to), []byte(ts.ReadFile(from)), 0o600); err != nil {
			return nil, err
		}
	}
	ts.Setenv("SECURED", "https://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return nil, nil
}

// keepsecrets FILE... demands that no file holds a line of what stands in the
// folder secrets, nor what follows a colon there, as it is or in base64.
func keepsecrets(ts *testscript.TestScript, args []string) ([]byte, error) {
	all, err := secretsIn(ts.MkAbs("secrets"))
	if err != nil {
		return nil, err
	}
	for _, file := range args {
		text := ts.ReadFile(file)
		if text == "" {
			return nil, fmt.Errorf("%s is empty, which proves nothing", file)
		}
		for name, secret := range all {
			if strings.Contains(text, secret) || strings.Contains(text, strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")) {
				return nil, fmt.Errorf("%s holds the secret of %s", file, name)
			}
		}
	}
	return fmt.Appendf(nil, "%d files do not hold %d secrets\n", len(args), len(all)), nil
}

// secretsIn returns what must be kept, by file and line.
func secretsIn(folder string) (map[string]string, error) {
	files, err := os.ReadDir(folder)
	all := map[string]string{}
	for _, f := range files {
		text, readErr := os.ReadFile(filepath.Join(folder, f.Name()))
		if readErr != nil {
			return nil, readErr
		}
		for i, line := range slices.Collect(strings.Lines(string(text))) {
			line = strings.TrimSpace(line[strings.LastIndexByte(line, ':')+1:])
			if line != "" && !strings.HasPrefix(line, "-----") {
				all[fmt.Sprintf("%s:%d", f.Name(), i+1)] = line
			}
		}
	}
	return all, err
}
