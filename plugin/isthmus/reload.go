package isthmus

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/coredns/caddy"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/stanza"
)

// blocks are the blocks of one running server. At a reload CoreDNS starts the
// new server, then stops the old one, and tells neither of the other. What they
// share is caddy's list of the instances that run, each with a store: there the
// new blocks find the old ones, take over their watches and go on from their
// serials. A server that fails to start is thrown away and not told; the one
// that it should have replaced is, and ends what it began.
type blocks struct {
	mu    sync.Mutex // guards what follows
	here  []*process // those that were started
	heirs []*blocks  // of servers that were started since
	pages map[string]*page
}

type blocksKey struct{}

// blocksOf returns the blocks of the server that c sets up.
func blocksOf(c *caddy.Controller) *blocks {
	if b, there := c.Get(blocksKey{}).(*blocks); there {
		return b
	}
	b := &blocks{pages: map[string]*page{}}
	c.Set(blocksKey{}, b)
	c.OnRestartFailed(b.restartFailed)
	return b
}

// running returns the blocks of every server that runs or is starting.
func running() []*blocks {
	var all []*blocks
	for _, inst := range caddy.Instances() {
		inst.StorageMu.RLock()
		if b, there := inst.Storage[blocksKey{}].(*blocks); there {
			all = append(all, b)
		}
		inst.StorageMu.RUnlock()
	}
	return all
}

// processes returns those of every server.
func processes() []*process {
	var all []*process
	for _, b := range running() {
		all = append(all, b.started()...)
	}
	return all
}

// start starts p as one of the blocks. If it cannot, the server does not run,
// and all of them are ended.
func (b *blocks) start(p *process) error {
	if err := b.begin(p); err != nil {
		return errors.Join(err, b.stop())
	}
	return nil
}

func (b *blocks) begin(p *process) error {
	for _, other := range running() {
		if other != b {
			other.expect(b)
		}
	}
	for _, other := range b.started() {
		if file := p.conf.saving.file; file != "" && other.conf.saving.file == file {
			return fmt.Errorf("snapshot %q: another block writes this file", file)
		}
	}
	if err := p.start(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.here = append(b.here, p)
	return b.showLocked(p)
}

// showLocked has p shown on the page at its address, if it names one.
func (b *blocks) showLocked(p *process) error {
	addr := p.conf.debug
	if addr == "" {
		return nil
	}
	on := b.pages[addr]
	if on == nil {
		var err error
		if on, err = newPage(addr); err != nil {
			return err
		}
		b.pages[addr] = on
	}
	on.add(p)
	p.atStop = append(p.atStop, func() { on.remove(p) })
	return nil
}

// started returns the blocks that were.
func (b *blocks) started() []*process {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.here)
}

// expect notes the blocks of a server that may be about to replace this one.
func (b *blocks) expect(heir *blocks) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.heirs, heir) {
		b.heirs = append(b.heirs, heir)
	}
}

// restartFailed ends what a server began that did not come to run. It is also
// called where only the end of the old server failed; then that one is ended.
func (b *blocks) restartFailed() error {
	b.mu.Lock()
	ending := b.heirs
	b.heirs = nil
	b.mu.Unlock()
	run := running()
	var errs []error
	for _, x := range append(ending, b) {
		if !slices.Contains(run, x) {
			errs = append(errs, x.stop())
		}
	}
	return errors.Join(errs...)
}

// stop stops every process; those that ended already are left alone.
func (b *blocks) stop() error {
	var errs []error
	for _, p := range b.started() {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}

// fingerprint is the same for two registries that are the same one, read in
// the same way.
type fingerprint [sha256.Size]byte

// words returns the fingerprint of what the configuration says of one of the
// block's registries.
func (c *config) words(o catalog.Origin) fingerprint {
	h := sha256.New()
	c.writeRegistry(h, o, false)
	return fingerprint(h.Sum(nil))
}

// wordsAndFiles is words with what the files hold that are named there: a
// reload is how people have a changed file read.
func (c *config) wordsAndFiles(o catalog.Origin) fingerprint {
	h := sha256.New()
	c.writeRegistry(h, o, true)
	return fingerprint(h.Sum(nil))
}

func (c *config) writeRegistry(w io.Writer, o catalog.Origin, files bool) {
	for _, r := range c.registries {
		if r.Origin() == o {
			fmt.Fprintf(w, "%q\n", r.String()) // which may stem from the environment
		}
	}
	writeStanza(w, c.stanzas[o], files)
}

// maxFile is how much of a file counts.
const maxFile = 1 << 20

func writeStanza(w io.Writer, s stanza.Stanza, files bool) {
	fmt.Fprintf(w, "%q", s.Words)
	for _, word := range s.Words {
		if files {
			writeFile(w, word)
		}
	}
	fmt.Fprint(w, "{")
	for _, line := range s.Block {
		writeStanza(w, line, files)
	}
	fmt.Fprint(w, "}")
}

// writeFile writes what the file called name holds, if it is one. That it
// cannot be read is for who opens the registry to say.
func writeFile(w io.Writer, name string) {
	if at, err := os.Stat(name); err != nil || !at.Mode().IsRegular() {
		return
	}
	f, err := os.Open(name)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = io.Copy(w, io.LimitReader(f, maxFile))
}
