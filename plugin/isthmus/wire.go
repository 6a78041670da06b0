package isthmus

import (
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// sender packs answers by itself where nothing stands between the plugin and
// the socket: CoreDNS would measure an answer of many records four times over
// before it packs it. Whatever is not sure to come out the same goes the usual
// way, by WriteMsg:
//
//   - an answer that another plugin is to see: the writer is not the server's
//     own, or the question is not the one that came in;
//   - another transport than plain UDP and TCP, or a socket whose writes
//     somebody else does (*shed*);
//   - anything but A, AAAA, SRV and PTR records of the name that was asked for,
//     the addresses of SRV targets, and an SOA record;
//   - names with escapes, replies with EDNS options, what is too large for
//     compression, and PTR records for which there is no room without.
//
// The zero value is ready for use.
type sender struct {
	known   atomic.Pointer[writers]
	packets sync.Pool // of *packet
}

// send reports whether it answered r. If it did not, nothing was written.
func (s *sender) send(w dns.ResponseWriter, r *dns.Msg, lower string, a *answer, v *view) bool {
	if a.chased || a.outside != "" {
		return false
	}
	socket := s.socket(w, r)
	if socket == nil {
		return false
	}
	p, _ := s.packets.Get().(*packet)
	if p == nil {
		p = new(packet)
	}
	p.state = request.Request{W: socket, Req: r}
	ok := p.pack(lower, a, v.soa[a.zone][0])
	if ok {
		// An error here is the network's or the client's; CoreDNS counts it.
		_, _ = socket.Write(p.buf)
	}
	p.extra[0], p.state = nil, request.Request{}
	s.packets.Put(p)
	return ok
}

// socket returns the writer that r came with from miekg/dns, if w is what
// CoreDNS's server made of it and nobody else writes for it; else nil. That
// shows in fields that are not exported: where they are not what is known of
// them, it is nil.
func (s *sender) socket(w dns.ResponseWriter, r *dns.Msg) dns.ResponseWriter {
	scrub, ok := w.(*request.ScrubWriter)
	if !ok {
		return nil
	}
	socket := reflect.ValueOf(scrub.ResponseWriter)
	known := s.known.Load()
	if known == nil || known.socket != socket.Type() {
		if known = newWriters(socket.Type()); known == nil {
			return nil
		}
		s.known.Store(known)
	}
	asked := reflect.ValueOf(scrub).Elem().Field(known.req)
	writer := socket.Elem().Field(known.writer).Elem()
	if asked.Pointer() != reflect.ValueOf(r).Pointer() || writer.Kind() != reflect.Pointer || writer.Pointer() != socket.Pointer() {
		return nil
	}
	return scrub.ResponseWriter
}

// writers is where the server's writers keep what tells whether they are used
// as they are.
type writers struct {
	req    int          // request.ScrubWriter's field: the question that came in
	socket reflect.Type // the writer that miekg/dns makes for a question
	writer int          // its field: who writes for it; itself by default
}

// newWriters returns nil for a socket that is not of miekg/dns, and if fields
// are not where they should be.
func newWriters(socket reflect.Type) *writers {
	req, ok := reflect.TypeFor[request.ScrubWriter]().FieldByName("req")
	if !ok || len(req.Index) != 1 || req.Type != reflect.TypeFor[*dns.Msg]() {
		return nil
	}
	if socket.Kind() != reflect.Pointer || socket.Elem().PkgPath() != reflect.TypeFor[dns.Msg]().PkgPath() || socket.Elem().Kind() != reflect.Struct {
		return nil
	}
	writer, ok := socket.Elem().FieldByName("writer")
	if !ok || len(writer.Index) != 1 || writer.Type != reflect.TypeFor[dns.Writer]() {
		return nil
	}
	return &writers{req: req.Index[0], socket: socket, writer: writer.Index[0]}
}
