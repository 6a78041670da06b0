package zookeeper

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// TestCuratorReads holds that Curator's own client reads every form of instance that we
// write, and builds its URI, be it one that takes payloads of Spring's class or none.
func TestCuratorReads(t *testing.T) {
	r := newTree(t)
	r.words += "\nacl world"
	app := serverstest.Curator(t, server.Address(), r.path)
	mirrors := map[string]func(*catalog.Service){
		"plain": func(s *catalog.Service) { s.Endpoints[0].Zone = "eu" },
		"https": func(s *catalog.Service) { s.Endpoints[0].Ports[0].App = "https" },
		"six":   func(s *catalog.Service) { s.Endpoints[0].Host.Addr = netip.MustParseAddr("fd00::1") },
		"bare":  func(s *catalog.Service) { s.Endpoints[0].Ports = nil },
		"udp":   func(s *catalog.Service) { s.Endpoints[0].Ports[0].Proto = catalog.UDP },
		"alias": func(s *catalog.Service) {
			s.Type, s.Alias, s.Endpoints = catalog.ExternalName, "db.example.org", nil
		},
	}
	for _, payload := range []string{"none", spring} {
		p := *r
		p.words += "\npayload " + payload
		w := claimed(t, &p, "prod")
		for name, edit := range mirrors {
			s := mirrorOf("prod", name, 1)
			s.Meta = map[string]string{"team": "blue"}
			edit(s)
			w.put(t, s)
		}
		for name, want := range map[string]string{
			"plain": `"address":"10.1.0.1","port":8080,"sslPort":null,"type":"PERMANENT","enabled":true,"uri":"http://10.1.0.1:8080"`,
			"https": `"address":"10.1.0.1","port":8080,"sslPort":8080,"type":"PERMANENT","enabled":true,"uri":"https://10.1.0.1:8080"`,
			"six":   `"address":"fd00::1","port":8080,"sslPort":null,"type":"PERMANENT","enabled":true,"uri":"http://[fd00::1]:8080"`,
			"bare":  `"address":"10.1.0.1","port":0,"sslPort":null,"type":"PERMANENT","enabled":true,"uri":"http://10.1.0.1"`,
			"udp":   `"address":"10.1.0.1","port":8080,"sslPort":null,"type":"PERMANENT","enabled":true,"uri":"http://10.1.0.1:8080"`,
			"alias": `"address":"db.example.org","port":0,"sslPort":null,"type":"PERMANENT","enabled":true,"uri":"http://db.example.org"`,
		} {
			if diff := cmp.Diff(want, seenByCurator(t, app, name, payload)); diff != "" {
				t.Errorf("payload %s: %s (-want +got)\n%s", payload, name, diff)
			}
		}
	}
}

// seenByCurator is what Curator's client tells of the one instance of a service, but
// for its id, name and payload, which it checks.
func seenByCurator(t *testing.T, app *servers.Curator, name, payload string) string {
	t.Helper()
	as := "void"
	if payload == spring {
		as = spring
	}
	facts, err := app.Do(t.Context(), "instances", "as="+as, "name="+name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(facts), `,"address":`)
	said, class, _ := strings.Cut(rest, `,"class":`)
	if !strings.HasPrefix(head, `{"instance":"isthmus-prod-`) || !strings.HasSuffix(head, `"name":"`+name+`"`) {
		t.Errorf("Curator sees %s", facts)
	}
	if is := strings.Contains(class, springClass) && strings.Contains(class, `"team":"blue"`); is != (payload == spring) {
		t.Errorf("payload %s: Curator sees %s", payload, facts)
	}
	return `"address":` + said
}
