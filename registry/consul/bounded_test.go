package consul

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestHostileAnswers holds that an answer of any form ends with an error, and that
// no more of it is read than is allowed.
func TestHostileAnswers(t *testing.T) {
	const most = 1 << 20
	chunk := `{"Service":{"ID":"` + strings.Repeat("a", 1<<16) + `"}},`
	endless := func(w io.Writer) (sent int) {
		for sent < 64*most {
			n, err := io.WriteString(w, chunk)
			if sent += n; err != nil {
				break
			}
		}
		return sent
	}
	sent := 0
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "[")
			sent = endless(w)
		}, errTooLong.Error()},
		{"one text without end", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"Node":{"Node":"`)
			sent = endless(noQuotes{w})
		}, errTooLong.Error()},
		{"packed to a thousandth", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "[")
			endless(z)
			_ = z.Close()
		}, errTooLong.Error()},
		{"empty objects", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"Checks":[{}`+strings.Repeat(`,{}`, most/objectSize)+"]}]")
		}, errTooLong.Error()},
		{"empty values", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"Service":{"Tags":[""`+strings.Repeat(`,""`, most/valueSize+1)+"]}}]")
		}, errTooLong.Error()},
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "decode"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `[{"Node":{"Node":"a"`)
		}, "unexpected EOF"},
		{"deep", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `[{"Other":`+strings.Repeat("[", 1<<17))
		}, "depth"},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(tt.answer)
			defer srv.Close()
			cl, err := newClient(configure(t, srv.URL))
			if err != nil {
				t.Fatal(err)
			}
			cl.most = most
			var out []seenEntry
			if _, err := cl.get(t.Context(), "/v1/x", nil, &out); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("get = %v, want %q", err, tt.want)
			}
			cl.http.CloseIdleConnections()
			srv.Close()
			if sent >= 64*most {
				t.Errorf("%d bytes of it were read", sent)
			}
		})
	}
}

// TestInstancesFit holds that instances as Consul tells them take what they have, and
// not what their objects and values are at least taken to have.
func TestInstancesFit(t *testing.T) {
	e, err := testLayout.encode(mirror("prod", "web", 3))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	b := &bounded{body: bytes.NewReader(text), most: int64(len(text))}
	if _, err := io.ReadAll(b); err != nil {
		t.Errorf("%d bytes with %d objects and %d values: %v", b.read, b.objects, b.values, err)
	}
}

// noQuotes writes what never ends a text.
type noQuotes struct{ io.Writer }

// Write writes without quotes.
func (w noQuotes) Write(b []byte) (int, error) {
	return io.WriteString(w.Writer, strings.ReplaceAll(string(b), `"`, "b"))
}
