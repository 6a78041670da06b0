package isthmus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"unicode"

	clog "github.com/coredns/coredns/plugin/pkg/log"
)

// logHandler hands slog's records on to CoreDNS's log, one line each:
//
//	[WARNING] plugin/isthmus: not reachable origin=consul/dc1 error="..."
type logHandler struct {
	to     clog.P
	prefix string // of the keys, by groups
	attrs  string // each with a space before it
}

func newLogHandler(to clog.P) slog.Handler { return logHandler{to: to} }

// Enabled implements slog.Handler.
func (h logHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || clog.D.Value()
}

// Handle implements slog.Handler.
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.prefix, a)
		return true
	})
	switch {
	case r.Level >= slog.LevelError:
		h.to.Error(b.String())
	case r.Level >= slog.LevelWarn:
		h.to.Warning(b.String())
	case r.Level >= slog.LevelInfo:
		h.to.Info(b.String())
	default:
		h.to.Debug(b.String())
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		writeAttr(&b, h.prefix, a)
	}
	h.attrs = b.String()
	return h
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.prefix += name + "."
	}
	return h
}

func writeAttr(b *strings.Builder, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, sub := range v.Group() {
			writeAttr(b, prefix, sub)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := v.String()
	if text == "" || strings.ContainsFunc(text, quoted) {
		text = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(b, " %s%s=%s", prefix, a.Key, text)
}

// quoted reports whether a text with r is to be quoted: it may be a name that somebody gave
// a record, to have a log show something else.
func quoted(r rune) bool { return r == ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) }
