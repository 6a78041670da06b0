package kubernetes

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// renewing speaks to an API server by what the files of a stanza say at the time of
// each request: the kubeconfig itself, authorities, certificate, key and token.
// The client library reads some of them again after minutes, and others never.
// While what is new cannot be used, as between the writing of a certificate and
// that of its key, requests go on by what was. Where the server is stays as it was
// at the start.
type renewing struct {
	where func() (*rest.Config, error)

	mu    sync.Mutex // guards what follows
	files []string   // that the transport was made of
	seen  []stamp    // how they were then
	made  *made
}

// made is a transport that was made of the files as they once were.
type made struct{ http.RoundTripper }

// stamp is by what a file that was replaced or written to differs.
type stamp struct {
	at   time.Time
	size int64
	info os.FileInfo
}

func (s stamp) same(t stamp) bool {
	return s.at.Equal(t.at) && s.size == t.size && (s.info == nil) == (t.info == nil) && (s.info == nil || os.SameFile(s.info, t.info))
}

func stamps(files []string) []stamp {
	all := make([]stamp, len(files))
	for i, name := range files {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.ModTime(), info.Size(), info}
		}
	}
	return all
}

// newRenewing returns a transport, and where it leads to. files are what where
// reads besides those that it names.
func newRenewing(where func() (*rest.Config, error), files []string) (*renewing, *rest.Config, error) {
	r := &renewing{where: where}
	r.files = r.with(files...)
	to, err := r.make()
	return r, to, err
}

// make makes the transport of the files as they are.
func (r *renewing) make() (*rest.Config, error) {
	seen := stamps(r.files) // before they are read: what changes meanwhile is found at the next look
	to, err := r.where()
	if err != nil {
		return nil, err
	}
	if files := r.with(to.CAFile, to.CertFile, to.KeyFile, to.BearerTokenFile); !slices.Equal(files, r.files) {
		r.files = files
		return r.make()
	}
	read := rest.CopyConfig(to)
	if err := readFiles(read); err != nil {
		return nil, err
	}
	next, err := rest.TransportFor(read)
	if err != nil {
		return nil, err
	}
	r.seen, r.made = seen, &made{next}
	return to, nil
}

// with returns the files to look at with some more.
func (r *renewing) with(more ...string) []string {
	all := append(slices.Clone(r.files), more...)
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(name string) bool { return name == "" })
}

// readFiles puts what the files hold in the place of their names.
func readFiles(to *rest.Config) error {
	if err := rest.LoadTLSFiles(to); err != nil {
		return err
	}
	to.CAFile, to.CertFile, to.KeyFile = "", "", ""
	if to.BearerTokenFile == "" {
		return nil
	}
	text, err := os.ReadFile(to.BearerTokenFile)
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	if to.BearerToken = strings.TrimSpace(string(text)); to.BearerToken == "" {
		return fmt.Errorf("token: %q holds no token", to.BearerTokenFile)
	}
	to.BearerTokenFile = ""
	return nil
}

// transport is by what to send now.
func (r *renewing) transport() *made {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.EqualFunc(r.seen, stamps(r.files), stamp.same) {
		_, _ = r.make() // else what was is good until the next look
	}
	return r.made
}

// RoundTrip sends a request. One that the server knew nobody by is sent once more
// if there is something new by now to be known by.
func (r *renewing) RoundTrip(req *http.Request) (*http.Response, error) {
	by := r.transport()
	answer, err := by.RoundTrip(req)
	if err != nil || answer.StatusCode != http.StatusUnauthorized || req.Body != nil && req.GetBody == nil {
		return answer, err
	}
	now := r.transport()
	if now == by {
		return answer, nil
	}
	again := req.Clone(req.Context())
	if req.Body != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return answer, nil
		}
	}
	_ = answer.Body.Close()
	return now.RoundTrip(again)
}

// WrappedRoundTripper lets the client library find the transport.
func (r *renewing) WrappedRoundTripper() http.RoundTripper { return r.transport().RoundTripper }
