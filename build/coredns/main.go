// Command coredns is CoreDNS with all of its own plugins and isthmus, which
// stands right before kubernetes in the chain. Flags and Corefile are those of
// CoreDNS.
package main

import (
	"log"

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
	coremain.Run()
}
