package consul

import (
	"bytes"
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

	// What an object, and a value after another, is at least taken to have in an answer:
	// empty ones have two bytes there, and hundreds and some dozen once they are read.
	// Those of Consul have a hundred and some twenty.
	objectSize = 64
	valueSize  = 8
)

// bounded is a body that is an error once it was longer than it may be, as one
// without end or one that was packed to a thousandth. Its owner calls done.
type bounded struct {
	body    io.Reader
	most    int64        // that it may hold
	read    int64        // bytes that were
	objects int64        // that were begun in them
	values  int64        // that came after another
	begin   func() error // waits until it may be large
	end     func()       // nil: it is not
}

// bound bounds an answer; those that are large wait for each other as long as the
// request may take.
func (c *client) bound(resp *http.Response) *bounded {
	b := &bounded{body: resp.Body, most: c.most}
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
	b.read += int64(n)
	b.objects += int64(bytes.Count(p[:n], []byte("{"))) // in texts, too: those are few
	b.values += int64(bytes.Count(p[:n], []byte(",")))
	size := max(b.read, objectSize*b.objects, valueSize*b.values)
	if size > b.most {
		return 0, errTooLong
	}
	if size > largeAnswer && b.end == nil {
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
