package consul

import (
	"context"
	"errors"
	"io"
	"net/http"
)

var errTooLong = errors.New("the answer is longer than any that Consul should give")

const (
	// maxAnswer bounds what an answer may hold, unpacked: what one does that has
	// 100,000 instances.
	maxAnswer = 128 << 20

	// largeAnswer is what each of those that are read at a time may hold. Of what
	// holds more one is read after the other, so that all take little more than one.
	largeAnswer = 4 << 20
)

// bounded is a body that is an error once it was longer than it may be, as one
// without end or one that was packed to a thousandth. Its owner calls done.
type bounded struct {
	body  io.Reader
	room  int64        // until it is large
	left  int64        // until it is too long
	begin func() error // waits until it may be large
	end   func()       // nil: it is not
}

// bound bounds an answer; those that are large wait for each other as long as the
// request may take.
func (c *client) bound(resp *http.Response) *bounded {
	b := &bounded{body: resp.Body, room: largeAnswer, left: c.most}
	ctx := resp.Request.Context()
	b.begin = func() error {
		select {
		case c.large <- struct{}{}:
			b.end = func() { <-c.large }
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return b
}

// Read reads on while it may.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.room -= int64(n)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	if b.room < 0 && b.end == nil {
		if err := b.begin(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// done lets the next large answer be read.
func (b *bounded) done() {
	if b.end != nil {
		b.end()
	}
}
