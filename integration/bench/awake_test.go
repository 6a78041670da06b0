package main

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestReadAwake holds that an answer is read whole, and that waiting for one ends.
func TestReadAwake(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := new(net.Dialer).DialContext(t.Context(), "udp", server.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := server.WriteTo([]byte("answer"), c.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := readAwake(c, buf); err != nil || string(buf[:n]) != "answer" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	if err := c.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, err := readAwake(c, buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: read %q, %v", buf[:n], err)
	}
}
