package etcd

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/isthmus-dns/isthmus/catalog"
)

// packed is the records of one group in one piece of memory, sorted by key: a
// twentieth of what they take otherwise. Of the value of a record of ours it has
// the digest. It is for memory only.
type packed string

// digest tells one value of a record of ours from another.
type digest [16]byte

func digestOf(value []byte) digest {
	sum := sha256.Sum256(value)
	return digest(sum[:])
}

// What follows of a record, beside its key and revision.
const (
	hasMark  = 1 << iota
	sameMark // as the record before, as far as records of one service have it
	hasDigest
	hasAddr // else a name
	hasErr
	isExternal
	isHeritage
	isNoHost
	isReverse
)

// packer packs one group after the other. The zero value is one.
type packer struct {
	buf   []byte
	words map[string]uint64 // those of this group, by number
}

// pack packs all, which are sorted by key.
func (p *packer) pack(all []*record) packed {
	if len(all) == 0 {
		return ""
	}
	if p.words == nil {
		p.words = map[string]uint64{}
	}
	clear(p.words)
	p.buf = p.buf[:0]
	before := new(record)
	for _, r := range all {
		p.record(r, before)
		before = r
	}
	return packed(p.buf)
}

func (p *packer) number(n int64) { p.buf = binary.AppendVarint(p.buf, n) }

func (p *packer) text(s string) {
	p.number(int64(len(s)))
	p.buf = append(p.buf, s...)
}

// word writes s, which may come again.
func (p *packer) word(s string) {
	at, known := p.words[s]
	if known {
		p.number(int64(at))
		return
	}
	p.words[s] = uint64(len(p.words)) + 1
	p.number(0)
	p.text(s)
}

func (p *packer) record(r, before *record) {
	is := r.flags(before)
	p.number(int64(is))
	dir, leaf := cutLeaf(r.key)
	p.word(dir)
	p.text(leaf)
	p.number(r.mod - before.mod)
	if is&hasDigest != 0 {
		p.buf = append(p.buf, r.digest[:]...)
	}
	if is&hasAddr != 0 {
		addr, _ := r.host.Addr.MarshalBinary() // there is no error
		p.text(string(addr))
	} else {
		p.text(r.host.Name)
	}
	for _, n := range []int{r.port, r.weight, r.priority, r.ttl} {
		p.number(int64(n))
	}
	if is&hasErr != 0 {
		p.text(r.err.Error())
	}
	if is&hasMark != 0 {
		p.mark(r.mark, is&sameMark != 0)
	}
}

// mark writes m; same: what all records of its service say is as before.
func (p *packer) mark(m *mark, same bool) {
	if !same {
		p.word(m.Owner)
		p.word(string(m.Of))
		p.word(m.Key)
		p.word(string(m.Via))
		p.number(int64(m.Format))
		p.number(int64(m.TTL))
	}
	p.text(m.ID)
	p.text(m.Hostname)
	p.word(m.Zone)
	p.word(m.App)
	p.word(m.Reverse)
}

func (r *record) flags(before *record) int {
	is := 0
	for i, has := range []bool{
		r.mark != nil, r.mark != nil && before.mark != nil && r.mark.shared() == before.mark.shared(), r.digest != digest{},
		r.host.Addr.IsValid(), r.err != nil, r.external, r.heritage, r.noHost, r.reverse,
	} {
		if has {
			is |= 1 << i
		}
	}
	return is
}

// shared is what the marks of all records of one service say.
func (m *mark) shared() mark {
	return mark{Owner: m.Owner, Of: m.Of, Key: m.Key, Via: m.Via, Format: m.Format, TTL: m.TTL}
}

func cutLeaf(key string) (dir, leaf string) {
	at := strings.LastIndexByte(key, '/') + 1
	return key[:at], key[at:]
}

// unpacker reads what a packer wrote; the texts are no parts of that.
type unpacker struct {
	rest  string
	words []string
}

// records unpacks p into new records.
func (p packed) records(l layout) []*record {
	u := unpacker{rest: string(p)}
	var all []*record
	before := new(record)
	for u.rest != "" {
		r := u.record(l, before)
		all, before = append(all, r), r
	}
	return all
}

func (u *unpacker) number() int64 {
	var n uint64
	for shift := 0; ; shift += 7 {
		b := u.rest[0]
		u.rest = u.rest[1:]
		if n |= uint64(b&0x7f) << shift; b < 0x80 {
			return int64(n>>1) ^ -int64(n&1)
		}
	}
}

func (u *unpacker) int() int { return int(u.number()) }

// part is the next n bytes, where they stand.
func (u *unpacker) part(n int) string {
	s := u.rest[:n]
	u.rest = u.rest[n:]
	return s
}

func (u *unpacker) text() string { return strings.Clone(u.part(u.int())) }

func (u *unpacker) word() string {
	if n := u.int(); n > 0 {
		return u.words[n-1]
	}
	s := u.text()
	u.words = append(u.words, s)
	return s
}

func (u *unpacker) record(l layout, before *record) *record {
	is := u.int()
	r := &record{
		key: u.word() + u.part(u.int()), mod: before.mod + u.number(),
		external: is&isExternal != 0, heritage: is&isHeritage != 0, noHost: is&isNoHost != 0, reverse: is&isReverse != 0,
	}
	if is&hasDigest != 0 {
		copy(r.digest[:], u.part(len(r.digest)))
	}
	if host := u.part(u.int()); is&hasAddr != 0 {
		_ = r.host.Addr.UnmarshalBinary([]byte(host)) // there is no error
	} else {
		r.host.Name = strings.Clone(host)
	}
	r.port, r.weight, r.priority, r.ttl = u.int(), u.int(), u.int(), u.int()
	if is&hasErr != 0 {
		r.err = errors.New(u.text())
	}
	if is&hasMark != 0 {
		r.mark = u.mark(before.mark, is&sameMark != 0)
	}
	_ = r.setPlace(l) // what is wrong with it is in r.err
	return r
}

func (u *unpacker) mark(before *mark, same bool) *mark {
	m := new(mark)
	if same {
		*m = before.shared()
	} else {
		m.Owner, m.Of, m.Key, m.Via = u.word(), catalog.Identity(u.word()), u.word(), catalog.Identity(u.word())
		m.Format, m.TTL = u.int(), u.int()
	}
	m.ID, m.Hostname, m.Zone, m.App, m.Reverse = u.text(), u.text(), u.word(), u.word(), u.word()
	return m
}
