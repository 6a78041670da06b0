package kubernetes

import (
	"errors"
	"io"
	"net/http"
)

// maxAnswer bounds what an answer that is no watch may hold, unpacked: a page of a
// list of the largest objects there are. Of a watch the client library bounds each
// event.
const maxAnswer = 512 << 20

var errTooLong = errors.New("the answer is longer than any that an API server should give")

// capped ends answers that are longer than they may be with an error: the client
// library reads each as a whole.
type capped struct {
	next http.RoundTripper
	most int64
}

// RoundTrip sends a request.
func (c capped) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := c.next.RoundTrip(req)
	if err == nil && !isWatch(req) {
		answer.Body = &cappedBody{answer.Body, c.most}
	}
	return answer, err
}

// WrappedRoundTripper lets the client library find the transport.
func (c capped) WrappedRoundTripper() http.RoundTripper { return c.next }

type cappedBody struct {
	io.ReadCloser
	left int64
}

// Read reads on while it may.
func (b *cappedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
