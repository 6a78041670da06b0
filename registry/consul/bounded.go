package consul

import (
	"errors"
	"io"
)

var errTooLong = errors.New("the answer is longer than any that Consul should give")

// maxAnswer bounds what an answer may hold, unpacked: some times what the largest
// one of a Consul with 100,000 instances does.
const maxAnswer = 256 << 20

// bounded is a body that is an error once it was longer than it may be, as one
// without end or one that was packed to a thousandth.
type bounded struct {
	body io.Reader
	left int64
}

// Read reads on while it may.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}
