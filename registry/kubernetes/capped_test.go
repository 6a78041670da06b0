package kubernetes

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCapped holds that an answer without end, and one that was packed to a
// thousandth, end with an error, and that a watch may go on for as long as it likes.
func TestCapped(t *testing.T) {
	const most = 1 << 20
	text := strings.Repeat("a", 2*most)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/packed" {
			_, _ = io.WriteString(w, text)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
	}))
	defer srv.Close()
	client := &http.Client{Transport: capped{http.DefaultTransport, most}}
	for path, want := range map[string]error{"/": errTooLong, "/packed": errTooLong, "/?watch=true": nil} {
		answer, err := client.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if !errors.Is(err, want) || want != nil && len(got) > most {
			t.Errorf("%s: %d bytes, %v; want %v", path, len(got), err, want)
		}
	}
}
