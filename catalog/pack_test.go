package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func packed(t testing.TB, all []*Service, pods ...*Pod) []byte {
	t.Helper()
	var b bytes.Buffer
	p := NewPacker(&b)
	p.Number(uint64(len(all)))
	for _, s := range all {
		p.Service(s)
	}
	for _, x := range pods {
		p.Pod(x)
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpacked(u *Unpacker) []*Service {
	var all []*Service
	for n := u.Number(); n > 0 && u.Err() == nil; n-- {
		all = append(all, u.Service())
	}
	return all
}

// TestPack holds that all but the version of a service comes back.
func TestPack(t *testing.T) {
	all := services(t, full)
	pod := &Pod{Key: Key{"shop", "p"}, Addrs: []netip.Addr{netip.MustParseAddr("fd00::1")}, Host: true, Node: "n", Meta: map[string]string{"a": "b"}}
	u := NewUnpacker(bytes.NewReader(packed(t, all, pod)))
	got := unpacked(u)
	var want, have strings.Builder
	for _, s := range all {
		s.Version = ""
	}
	_ = WriteText(&want, all)
	_ = WriteText(&have, got)
	if diff := cmp.Diff(want.String(), have.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if x := u.Pod(); !x.Equal(pod) || u.Err() != nil {
		t.Errorf("pod = %+v, %v", x, u.Err())
	}
	if u.Number(); u.Err() == nil {
		t.Error("reading beyond the end is no error")
	}
}

// TestPackNodes holds that every node comes back as it was.
func TestPackNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String()
		want := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Node {
			n := &Node{Name: text.Draw(t, "name"), Host: Host{Name: text.Draw(t, "host")}}
			if long := rapid.SampledFrom([]int{0, 4, 16}).Draw(t, "family"); long > 0 {
				addr, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), long, long).Draw(t, "address"))
				n.Host = Host{Addr: addr}
			}
			n.Meta = rapid.MapOfN(text, text, 0, 3).Draw(t, "meta")
			return n
		}), 0, 20).Draw(t, "nodes")
		var b bytes.Buffer
		p := NewPacker(&b)
		for _, n := range want {
			p.Node(n)
		}
		if err := p.Flush(); err != nil {
			t.Fatal(err)
		}
		u := NewUnpacker(&b)
		for _, n := range want {
			if got := u.Node(); !got.Equal(n) {
				t.Errorf("%+v came back as %+v", n, got)
			}
		}
		if u.Err() != nil {
			t.Error(u.Err())
		}
	})
}

// TestPackWords holds that more words than are remembered come back, too, and
// that one which comes again is short.
func TestPackWords(t *testing.T) {
	var b bytes.Buffer
	p := NewPacker(&b)
	const n = maxWords + 10
	for range 2 {
		for i := range n {
			p.Word(fmt.Sprintf("word %d", i))
		}
	}
	if err := p.Flush(); err != nil {
		t.Fatal(err)
	}
	if max := 2*11*10 + n*13 + n*3; b.Len() > max {
		t.Errorf("%d bytes, more than %d", b.Len(), max)
	}
	u := NewUnpacker(&b)
	for range 2 {
		for i := range n {
			if got, want := u.Word(), fmt.Sprintf("word %d", i); got != want {
				t.Fatalf("word %d is %q, %v", i, got, u.Err())
			}
		}
	}
}

type full_ struct{}

func (full_) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestPackToNowhere(t *testing.T) {
	p := NewPacker(full_{})
	p.Text("x")
	if err := p.Flush(); err == nil || err.Error() != "pack: no space left" {
		t.Errorf("Flush() = %v", err)
	}
}

// TestUnpackDamaged cuts and bends what was packed: it is an error, or another
// content, and never a crash.
func TestUnpackDamaged(t *testing.T) {
	whole := packed(t, services(t, full))
	for i := range whole {
		u := NewUnpacker(bytes.NewReader(whole[:i]))
		if unpacked(u); u.Err() == nil {
			t.Errorf("cut after %d bytes of %d: no error", i, len(whole))
		}
		for _, to := range []byte{0, 1, 0x7f, 0x80, 0xff} {
			bent := slices.Clone(whole)
			bent[i] = to
			unpacked(NewUnpacker(bytes.NewReader(bent)))
		}
	}
}

// TestUnpackHugeLengths holds that a length that lies costs no memory.
func TestUnpackHugeLengths(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, lie := range [][]byte{
		{0xff, 0xff, 0xff, 0xff, 0x07},       // 2 GB
		{0xff, 0xff, 0xff, 0xff, 0xff, 0x07}, // more than a text may be
	} {
		if s := NewUnpacker(bytes.NewReader(lie)).Text(); s != "" {
			t.Errorf("text of %d bytes", len(s))
		}
		u := NewUnpacker(bytes.NewReader(lie))
		if u.list(func() { u.Text() }); u.Err() == nil {
			t.Error("a list that is cut is no error")
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(packed(f, services(f, full)))
	for _, seed := range []string{"", "\x00", "\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "\x01\xff\xff\xff\xff\x0f", strings.Repeat("\x01", 1000), strings.Repeat("\xff", 1000)} {
		f.Add([]byte(seed))
	}
	for _, n := range []int{1, 7, 30, 100} {
		f.Add(packed(f, services(f, full))[:n]) // cut off
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		u := NewUnpacker(bytes.NewReader(in))
		all := unpacked(u)
		if u.Err() != nil {
			return
		}
		again := NewUnpacker(bytes.NewReader(packed(t, all)))
		for i, s := range unpacked(again) {
			if !s.Same(all[i]) {
				t.Errorf("%q changed on the way: %q", all[i].Text(), s.Text())
			}
		}
		if again.Err() != nil {
			t.Error(again.Err())
		}
	})
}

// BenchmarkPack packs a service with 10 endpoints.
func BenchmarkPack(b *testing.B) {
	s := services(b, "service shop/web ClusterIP\n\taddr 10.0.0.1\n\tport http TCP 80\n"+
		strings.Repeat("\tendpoint 10.1.1.1 id=10.1.1.1 ready serving zone=z node=node-1 pod=web-5d8f7c-abcde\n\t\tport http TCP 80\n", 10))[0]
	p := NewPacker(discard{})
	b.ReportAllocs()
	for b.Loop() {
		p.Service(s)
	}
	b.SetBytes(int64(len(packed(b, []*Service{s}))))
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
