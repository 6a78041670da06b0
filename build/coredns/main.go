// Command coredns is CoreDNS with all of its own plugins and isthmus, which
// stands right before kubernetes in the chain. Flags and Corefile are those of
// CoreDNS.
package main

import (
	"log"
	"os"
	"runtime"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/core/plugin" // every plugin of CoreDNS
	"github.com/coredns/coredns/coremain"

	"github.com/isthmus-dns/isthmus/plugin/isthmus"
)

// version is set by the linker; -version shows it as the commit.
var version = "unknown"

func main() {
	coremain.GitCommit = "isthmus " + version
	if err := dnsserver.SetDirectives(isthmus.Directives(dnsserver.Directives)); err != nil {
		log.Fatal(err)
	}
	spare := make([]byte, spareBytes())
	coremain.Run()
	runtime.KeepAlive(spare)
}

// maxSpare is how many bytes are taken and never touched, so that they cost no
// memory but count for the collector, which runs when what its last run left has
// doubled. What a server makes of questions is garbage; without them all that it
// holds is looked through several times a second for that, at a tenth of its work.
const maxSpare = 24 << 20

// spareBytes is less where the server may use little memory, and nothing where
// the environment says how the collector is to run.
func spareBytes() uint64 {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return 0
	}
	if may, err := memlimit.FromCgroup(); err == nil {
		return min(maxSpare, may/8)
	}
	return maxSpare // nobody says how many
}
