package hostile

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// packet is a hostile message and what a server may make of it.
type packet struct {
	name  string
	bytes []byte
	may   []int // rcodes that an answer may have; -1: none comes. Empty: anything
}

const silent = -1

// maySilent reports whether no answer is right.
func (p packet) maySilent() bool { return len(p.may) == 0 || slices.Contains(p.may, silent) }

// packets are messages that no honest client sends, and some that few do.
func packets() []packet {
	good := question("web.shop.svc.cluster.local.", dns.TypeA, dns.ClassINET)
	name := good[:len(good)-4]
	var all []packet
	add := func(what string, bytes []byte, may ...int) { all = append(all, packet{what, bytes, may}) }

	// Headers.
	add("one byte", []byte{0})
	add("half a header", header(0, 0, 1, 0, 0, 0)[:7])
	add("no question", header(0, 0, 0, 0, 0, 0))
	add("no question, but one is counted", header(0, 0, 1, 0, 0, 0))
	add("65535 questions counted", header(0, 0, 65535, 0, 0, 0, good))
	add("two questions", header(0, 0, 2, 0, 0, 0, good, good))
	add("all counts are 65535", header(0, 0, 65535, 65535, 65535, 65535, good))
	add("an answer", header(0, 0x8000, 1, 0, 0, 0, good), silent)
	add("every flag", header(0, 0x07ff, 1, 0, 0, 0, good))
	add("every flag and opcode", header(0, 0x7fff, 1, 0, 0, 0, good))
	for opcode := range 16 {
		if opcode != dns.OpcodeQuery {
			add("opcode "+dns.OpcodeToString[opcode], header(0, uint16(opcode)<<11, 1, 0, 0, 0, good))
		}
	}
	add("rcode of a question", header(0, 0x000f, 1, 0, 0, 0, good))

	// Names.
	add("a name that points to itself", header(0, 0, 1, 0, 0, 0, []byte{0xc0, 12, 0, 1, 0, 1}))
	add("two pointers in a ring", header(0, 0, 1, 0, 0, 0, []byte{0xc0, 14, 0xc0, 12, 0, 1, 0, 1}))
	add("a pointer behind the end", header(0, 0, 1, 0, 0, 0, []byte{0xff, 0xff, 0, 1, 0, 1}))
	add("a pointer into the header", header(0, 0, 1, 0, 0, 0, []byte{0xc0, 2, 0, 1, 0, 1}))
	add("a label before a pointer to it", header(0, 0, 1, 0, 0, 0, []byte{1, 'a', 0xc0, 12, 0, 1, 0, 1}))
	add("a label longer than the message", header(0, 0, 1, 0, 0, 0, []byte{63, 'a'}))
	add("a label of 64", header(0, 0, 1, 0, 0, 0, []byte{64}, []byte(strings.Repeat("a", 64)), []byte{0, 0, 1, 0, 1}))
	add("a reserved kind of label", header(0, 0, 1, 0, 0, 0, []byte{0x80, 1, 0, 0, 1, 0, 1}))
	add("a name of 256", header(0, 0, 1, 0, 0, 0, []byte(strings.Repeat("\x3f"+strings.Repeat("a", 63), 4)), []byte{0, 0, 1, 0, 1}))
	add("a name without an end", header(0, 0, 1, 0, 0, 0, name[:len(name)-1]))
	add("a question cut short", header(0, 0, 1, 0, 0, 0, good[:len(good)-2]))
	add("a name of 255 in the zone", ask(longest("cluster.local."), dns.TypeA), dns.RcodeNameError)
	add("a name of 127 labels in the zone", ask(strings.Repeat("a.", 113)+"cluster.local.", dns.TypeA), dns.RcodeNameError)
	for _, label := range []string{`\000`, `\.`, `\\`, `\"`, `\032`, `\027[31m`, `\010`, `\255\254`, "*", "any", "_", "-", `%2f`, "xn--a", `a\.b`, `\@`} {
		add("the label "+label, ask(label+".shop.svc.cluster.local.", dns.TypeA), dns.RcodeNameError)
		add("the namespace "+label, ask("web."+label+".svc.cluster.local.", dns.TypeA), dns.RcodeNameError)
		add("the host "+label, ask(label+".web.shop.svc.cluster.local.", dns.TypeSRV), dns.RcodeNameError, dns.RcodeSuccess)
		add("the pod "+label, ask(label+".shop.pod.cluster.local.", dns.TypeA), dns.RcodeNameError)
		add("the address "+label, ask(label+".0.0.10.in-addr.arpa.", dns.TypePTR), dns.RcodeNameError)
	}

	// Classes and types.
	for _, class := range []uint16{0, dns.ClassCSNET, dns.ClassCHAOS, dns.ClassHESIOD, dns.ClassNONE, dns.ClassANY, 65535} {
		add("class "+dns.Class(class).String(), header(0, 0, 1, 0, 0, 0, question("web.shop.svc.cluster.local.", dns.TypeA, class)))
	}
	for _, typ := range []uint16{dns.TypeNone, dns.TypeANY, dns.TypeMAILB, dns.TypeOPT, dns.TypeTSIG, dns.TypeTKEY, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeReserved} {
		add("type "+dns.Type(typ).String(), ask("web.shop.svc.cluster.local.", typ))
	}
	add("AXFR by datagram", ask("cluster.local.", dns.TypeAXFR), dns.RcodeRefused, dns.RcodeServerFailure)
	add("IXFR by datagram", ask("cluster.local.", dns.TypeIXFR), dns.RcodeRefused, dns.RcodeServerFailure)

	// EDNS and signatures.
	opt := func(version byte, size uint16, data ...byte) []byte {
		b := []byte{0, 0, 41, byte(size >> 8), byte(size), 0, version, 0x80, 0, byte(len(data) >> 8), byte(len(data))}
		return append(b, data...)
	}
	add("EDNS version 1", header(0, 0, 1, 0, 0, 1, good, opt(1, 1232)), dns.RcodeBadVers)
	add("EDNS version 255", header(0, 0, 1, 0, 0, 1, good, opt(255, 1232)), dns.RcodeBadVers)
	add("EDNS with a size of 0", header(0, 0, 1, 0, 0, 1, good, opt(0, 0)), dns.RcodeSuccess)
	add("EDNS twice", header(0, 0, 1, 0, 0, 2, good, opt(0, 1232), opt(0, 4096)))
	add("EDNS a hundred times", header(0, 0, 1, 0, 0, 100, append([][]byte{good}, repeat(opt(0, 1232), 100)...)...))
	add("EDNS among the answers", header(0, 0, 1, 1, 0, 0, good, opt(0, 1232)))
	add("EDNS with a broken option", header(0, 0, 1, 0, 0, 1, good, opt(0, 1232, 0, 8, 0xff, 0xff, 1)))
	add("EDNS with a broken client subnet", header(0, 0, 1, 0, 0, 1, good, opt(0, 1232, 0, 8, 0, 4, 0, 1, 255, 255)))
	add("EDNS with 1000 unknown options", header(0, 0, 1, 0, 0, 1, good, opt(0, 1232, []byte(strings.Repeat("\xff\x01\x00\x00", 1000))...)))
	add("EDNS that says more than it has", header(0, 0, 1, 0, 0, 1, good, opt(0, 1232)[:9], []byte{0xff, 0xff}))
	add("EDNS under a name", header(0, 0, 1, 0, 0, 1, good, append([]byte{1, 'a'}, opt(0, 1232)...)))
	add("TSIG of an unknown key", tsig(good))
	add("TSIG in the middle", header(0, 0, 1, 0, 0, 2, good, tsig(good)[12+len(good):], opt(0, 1232)))
	add("an answer record in a question", header(0, 0, 1, 1, 0, 0, good, append(append([]byte{}, name...), 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 1, 2, 3, 4)))
	add("a record that is cut", header(0, 0, 1, 1, 0, 0, good, append(append([]byte{}, name...), 0, 1, 0, 1, 0, 0, 0, 5, 0xff, 0xff, 1)))

	// Sizes.
	add("bytes behind the end", append(header(0, 0, 1, 0, 0, 0, good), make([]byte, 400)...))
	add("64 KiB of nothing", make([]byte, 65000))
	add("64 KiB of questions", header(0, 0, 2000, 0, 0, 0, repeat(good, 2000)...))
	return all
}

// header makes a message: id, flags, the four counts, and what follows.
func header(id, flags, questions, answers, ns, extra uint16, rest ...[]byte) []byte {
	var b []byte
	for _, n := range []uint16{id, flags, questions, answers, ns, extra} {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	for _, r := range rest {
		b = append(b, r...)
	}
	return b
}

func question(name string, typ, class uint16) []byte {
	b := make([]byte, 300)
	n, err := dns.PackDomainName(name, b, 0, nil, false)
	if err != nil {
		panic(err)
	}
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b[:n], typ), class)
}

func ask(name string, typ uint16) []byte {
	return header(0, 0x0100, 1, 0, 0, 0, question(name, typ, dns.ClassINET))
}

// longest returns a name below zone that takes 255 bytes.
func longest(zone string) string {
	name := zone
	for {
		room := 255 - (len(name) + 1) - 1 // of the wire form, less the new label's length
		if room < 1 {
			return name
		}
		n := min(room, 63)
		if room-n == 1 {
			n-- // leave no room that no label fits
		}
		name = strings.Repeat("a", n) + "." + name
	}
}

func repeat(b []byte, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = b
	}
	return all
}

// tsig is the question signed by a key that nobody knows.
func tsig(good []byte) []byte {
	m := new(dns.Msg)
	if err := m.Unpack(header(0, 0x0100, 1, 0, 0, 0, good)); err != nil {
		panic(err)
	}
	m.Compress = false
	m.SetTsig("nobody.", dns.HmacSHA256, 300, 1_800_000_000)
	b, _, err := dns.TsigGenerate(m, "c2VjcmV0", "", false)
	if err != nil {
		panic(err)
	}
	return b
}

// mutant is a good question with some bytes changed, cut or doubled.
func mutant(rnd *rand.Rand, good [][]byte) []byte {
	b := append([]byte{}, good[rnd.IntN(len(good))]...)
	for range 1 + rnd.IntN(6) {
		at := rnd.IntN(len(b))
		switch rnd.IntN(4) {
		case 0:
			b[at] = byte(rnd.Uint32())
		case 1:
			b[at] ^= 1 << rnd.IntN(8)
		case 2:
			b = append(b[:at:at], b[max(at-1, 0):]...)
		default:
			b = b[:max(at, 2)]
		}
	}
	return b
}
