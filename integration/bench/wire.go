package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// wire is a connection to a DNS server that carries whole messages. What
// receive returns is good until the next call.
type wire interface {
	send(framed []byte) error // two bytes of length, then the message
	receive() ([]byte, error)
	setDeadline(time.Time) error
	close() error
}

// dialWire connects to addr. The caller closes the wire.
func dialWire(ctx context.Context, network, addr string) (wire, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %q over %s: %w", addr, network, err)
	}
	if network == udp {
		return &datagrams{Conn: c, buf: make([]byte, 1<<16)}, nil
	}
	return &stream{Conn: c, in: bufio.NewReaderSize(c, 1<<16)}, nil
}

// datagrams is a wire over UDP.
type datagrams struct {
	net.Conn
	buf []byte
}

func (d *datagrams) send(framed []byte) error {
	_, err := d.Write(framed[2:])
	return err
}

func (d *datagrams) receive() ([]byte, error) {
	n, err := readAwake(d.Conn, d.buf)
	return d.buf[:n], err
}

func (d *datagrams) setDeadline(t time.Time) error { return d.SetReadDeadline(t) }
func (d *datagrams) close() error                  { return d.Close() }

// stream is a wire over TCP.
type stream struct {
	net.Conn
	in  *bufio.Reader
	buf []byte
}

func (s *stream) send(framed []byte) error {
	_, err := s.Write(framed)
	return err
}

func (s *stream) receive() ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(s.in, length[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(length[:]))
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	s.buf = s.buf[:n]
	_, err := io.ReadFull(s.in, s.buf)
	return s.buf, err
}

func (s *stream) setDeadline(t time.Time) error { return s.SetReadDeadline(t) }
func (s *stream) close() error                  { return s.Close() }
