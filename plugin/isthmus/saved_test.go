package isthmus

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/isthmus-dns/isthmus/catalog"
)

// TestSnapshotOfAll restarts a process while nothing can be reached, whose block has
// multicluster names and the names of a Consul: they answer as before, stale, until
// their registries are read.
func TestSnapshotOfAll(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newSavedWorld(folder)
		w.on.consul.Store(true)
		p := w.runMore(t, "")
		synctest.Wait()
		want, serial := answersOf(t, p), p.imports.views.newest.Load().serial.number
		for _, line := range []string{"db-0.c2.db.shop.svc.clusterset.local. A 10.2.0.11", "n1.node.consul. A 10.0.1.1", "PTR n1.node.dc1.consul."} {
			if !strings.Contains(want, line) {
				t.Fatalf("%s is not among the answers:\n%s", line, want)
			}
		}
		w.end(t, p)

		w.on.down.Store(true)
		p = w.runMore(t, "") // in the same second, which alone moves no serial
		if got := p.imports.views.newest.Load().serial.number; got <= serial {
			t.Errorf("the serial of imports went from %d to %d", serial, got)
		}
		w.end(t, p)

		time.Sleep(10 * time.Minute)
		p = w.runMore(t, "")
		if diff := cmp.Diff(want, answersOf(t, p)); diff != "" {
			t.Errorf("answers from the file (-before +now):\n%s", diff)
		}
		for _, st := range []catalog.State{p.catalog.Snapshot().State("consul/dc1"), p.imports.catalog.Snapshot().State("kubernetes/cluster")} {
			if st.Synced || time.Since(st.Stale).Round(time.Minute) != 10*time.Minute {
				t.Errorf("state: %+v", st)
			}
		}
		h := &Isthmus{conf: p.conf, views: p.views, imports: p.imports.views}
		if _, err := h.Transfer("clusterset.local.", 0); !errors.Is(err, errNotSynced) {
			t.Errorf("Transfer of what is stale: %v", err)
		}
		if line := `msg="snapshot is used until the origin is read" zone=clusterset.local. origin=kubernetes/cluster`; !strings.Contains(w.log.String(), line) {
			t.Errorf("the log does not say %s:\n%s", line, &w.log)
		}

		w.on.down.Store(false)
		time.Sleep(time.Minute)
		for _, snap := range []*catalog.Snapshot{p.catalog.Snapshot(), p.imports.catalog.Snapshot()} {
			if !snap.Synced() {
				t.Errorf("not read once all is back: %+v", snap.Origins())
			}
		}
		if diff := cmp.Diff(want, answersOf(t, p)); diff != "" {
			t.Errorf("answers once all is back (-before +now):\n%s", diff)
		}
		w.end(t, p)
	})
}

// TestSnapshotOfImportsIsWritten holds that news of what is imported alone has the
// file written, and that what it says of another stanza is not used.
func TestSnapshotOfImportsIsWritten(t *testing.T) {
	folder := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newSavedWorld(folder)
		p := w.runMore(t, "")
		time.Sleep(11 * time.Second)
		for range 2 { // the cluster's own and its imports
			if feed := <-w.feeds; feed.State().Services == len(services(t, exported)) {
				feed.Update(services(t, "service shop/late ClusterIP\n\taddr 10.42.0.9\n"), nil)
			}
		}
		time.Sleep(11 * time.Second)
		file, err := os.ReadFile(w.file)
		if err != nil || !bytes.Contains(file, []byte("late")) {
			t.Errorf("a service that is imported since is not in the file (%v)", err)
		}
		w.end(t, p)
		w.on.down.Store(true)
		for more, want := range map[string]int{"": dns.RcodeSuccess, "{\nqps 5\n}": dns.RcodeServerFailure} {
			p = w.runMore(t, more)
			h := &Isthmus{conf: p.conf, views: p.views, imports: p.imports.views}
			if _, got := ask(t, h, "late.shop.svc.clusterset.local.", dns.TypeA); got != want {
				t.Errorf("with the words %q: rcode %d, want %d", more, got, want)
			}
			w.end(t, p)
		}
	})
}

// TestSnapshotOfVersion2 holds that a file which the version before wrote is used for
// what it has. The rest fails, and does not become absent.
func TestSnapshotOfVersion2(t *testing.T) {
	folder := t.TempDir()
	old, err := os.ReadFile("testdata/version2.snap")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newSavedWorld(folder)
		if err := os.WriteFile(w.file, old, 0o600); err != nil {
			t.Fatal(err)
		}
		w.on.down.Store(true)
		p := w.runMore(t, "")
		got := answersOf(t, p)
		for _, line := range []string{
			"web.shop.svc.cluster.local. A: web.shop.svc.Z A 10.0.0.80\n", "10-240-0-1.shop.pod.cluster.local. A: NOERROR\n", "nothing.shop.svc.cluster.local. A: NXDOMAIN\n",
			"web.shop.svc.clusterset.local. A: SERVFAIL\n", "nothing.shop.svc.clusterset.local. A: SERVFAIL\n", "n1.node.consul. A: SERVFAIL\n", "web.service.consul. SRV: SERVFAIL\n",
		} {
			if !strings.Contains(got, line) {
				t.Errorf("the answers lack %s:\n%s", line, got)
			}
		}
		w.end(t, p)
	})
}

// fullSaved returns a file with everything that one can hold.
func fullSaved(t testing.TB) []byte {
	t.Helper()
	conf := clusters(t, "kubernetes\nconsul dc1\ndomain consul\npods verified")
	own, imports := synced(t, conf), catalog.New(conf.imports().policy())
	lists(own.Feed("consul/dc1"))
	reportExported(imports.Feed("kubernetes/cluster"))
	return savedOf(t, viewed{newView(conf, own.Snapshot(), start), newView(conf.imports(), imports.Snapshot(), start)})
}

func savedOf(t testing.TB, m viewed) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeSaved(&b, m, start); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// inSaved is what stands in a file between its head and its checksum.
func inSaved(file []byte) []byte {
	return file[len(magic)+len("1\n") : len(file)-sha256.Size]
}

func unpackedBytes(body []byte, format int) (*saved, error) {
	return unpackSaved(bufio.NewReader(bytes.NewReader(body)), format)
}

// text is all that a part says, in order.
func (x part) text() string {
	var all []string
	for _, o := range x.pasts {
		all = append(all, fmt.Sprintf("origin %q %q %d", o.Origin, o.Identity, o.At.Unix()))
		for _, ns := range o.Namespaces {
			all = append(all, fmt.Sprintf("%q namespace %q", o.Origin, ns))
		}
		for _, pod := range o.Pods {
			all = append(all, fmt.Sprintf("%q pod %s %v %t %q %v", o.Origin, pod.Key, pod.Addrs, pod.Host, pod.Node, pod.Meta))
		}
		for _, svc := range o.Services {
			all = append(all, fmt.Sprintf("%q %s", o.Origin, svc.Service().Text()))
		}
		if o.Listing == nil {
			continue
		}
		all = append(all, fmt.Sprintf("%q lists %q", o.Origin, o.Listing.Datacenter))
		for _, n := range o.Listing.Nodes {
			all = append(all, fmt.Sprintf("%q node %q %q %v", o.Origin, n.Name, n.Host, n.Meta))
		}
		for _, svc := range o.Listing.Services {
			all = append(all, fmt.Sprintf("%q lists %s", o.Origin, svc.Text()))
		}
	}
	slices.Sort(all)
	return fmt.Sprintf("serial %d\n%s", x.serial, strings.Join(all, "\n"))
}

// again recalls what a file says, and returns what is saved of that.
func again(t testing.TB, s *saved) *saved {
	t.Helper()
	m := viewed{own: viewOf(s.own), imports: viewOf(s.imports)}
	got, err := unpackedBytes(inSaved(savedOf(t, m)), saveFormat)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func viewOf(x part) *view {
	c := catalog.New(catalog.Policy{Packed: true})
	for _, o := range x.pasts {
		c.Feed(o.Origin).Recall(o.Past)
	}
	v := newView(&config{}, c.Snapshot(), start)
	v.setSerial(serial{number: x.serial})
	return v
}

// TestSavedRoundTrip holds that everything comes back from a file, and again.
func TestSavedRoundTrip(t *testing.T) {
	first, err := unpackedBytes(inSaved(fullSaved(t)), saveFormat)
	if err != nil {
		t.Fatal(err)
	}
	own := first.own.text()
	for _, want := range []string{`"kubernetes/cluster" pod shop/web-0 [10.`, `"consul/dc1" lists "DC1"`, `"consul/dc1" node "n3" "host.example.org"`, `"consul/dc1" lists service /web Headless`} {
		if !strings.Contains(own, want) {
			t.Errorf("the file lacks %s:\n%s", want, own)
		}
	}
	if got := first.imports.text(); !strings.Contains(got, "cluster=c2") {
		t.Errorf("the file lacks what is imported:\n%s", got)
	}
	second := again(t, first)
	if diff := cmp.Diff(own, second.own.text()); diff != "" {
		t.Errorf("own (-first +again):\n%s", diff)
	}
	if diff := cmp.Diff(first.imports.text(), second.imports.text()); diff != "" {
		t.Errorf("imports (-first +again):\n%s", diff)
	}
}

// TestSavedDamaged cuts and bends what a checksum would cover: whoever can make that
// right costs no more memory than the file has bytes, many times over, and no crash.
func TestSavedDamaged(t *testing.T) {
	whole := inSaved(fullSaved(t))
	var before, after runtime.MemStats
	for i := range whole {
		lie := append(slices.Clone(whole[:i]), "\xff\xff\xff\xff\x07\xff\xff\xff\xff\x07"...)
		runtime.ReadMemStats(&before)
		_, err := unpackedBytes(whole[:i], saveFormat)
		_, _ = unpackedBytes(lie, saveFormat)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("cut after %d bytes of %d: no error", i, len(whole))
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("cut after %d bytes: %d bytes were allocated", i, grown)
		}
		for _, to := range []byte{0, 1, 0x7f, 0xff} {
			bent := slices.Clone(whole)
			bent[i] = to
			_, _ = unpackedBytes(bent, saveFormat)
		}
	}
}

// FuzzSaved holds that no file upsets the plugin, whoever made its checksum right, and
// that what is read, recalled and written reads as itself.
func FuzzSaved(f *testing.F) {
	whole := inSaved(fullSaved(f))
	old, err := os.ReadFile("testdata/version2.snap")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, true)
	f.Add(inSaved(old), false)
	for _, n := range []int{0, 20, 25, 100, len(whole) / 2, len(whole) - 1} {
		f.Add(whole[:n], true) // cut off
		f.Add(append(slices.Clone(whole[:n]), strings.Repeat("\xff", 100)...), true)
	}
	f.Fuzz(func(t *testing.T, body []byte, now bool) {
		format := oldSaveFormat
		if now {
			format = saveFormat
		}
		got, err := unpackedBytes(body, format)
		if err != nil {
			return
		}
		first := again(t, got)
		second := again(t, first)
		for what, texts := range map[string][2]string{"own": {first.own.text(), second.own.text()}, "imports": {first.imports.text(), second.imports.text()}} {
			if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
				t.Errorf("%s, read, written and read (-first +again):\n%s", what, diff)
			}
		}
	})
}
