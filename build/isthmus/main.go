// Command isthmus is the sync bridge and the tools around it: bridge runs it,
// plan shows what it would write, status and approve speak to one that runs, purge
// removes what it wrote, query asks a DNS server, version says what this is.
//
// Exit status: 0 for done, 1 for an error, and what the commands' own help says
// beside these.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
