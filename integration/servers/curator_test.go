package servers_test

import (
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/integration/servers"
	"github.com/isthmus-dns/isthmus/integration/servers/serverstest"
)

// ask asks a Curator program, which must have an answer.
func ask(tb testing.TB, c *servers.Curator, line string) string {
	tb.Helper()
	facts, err := c.Do(tb.Context(), strings.Fields(line)...)
	if err != nil {
		tb.Fatal(err)
	}
	return string(facts)
}

func TestCurator(t *testing.T) {
	z := serverstest.ZooKeeper(t)
	app, other := serverstest.Curator(t, z.Address(), "/services"), serverstest.Curator(t, z.Address(), "/services")
	ask(t, other, "watch as=object name=web")
	for _, c := range []struct {
		register, name, as, want string // what another one of this type sees
	}{
		{"register name=web id=void address=10.0.0.1 port=80 type=PERMANENT", "web", "void",
			`{"instance":"void","name":"web","address":"10.0.0.1","port":80,"sslPort":null,"type":"PERMANENT","enabled":true,"uri":null,"class":null,"payload":null}` + "\n"},
		{"register as=map name=maps id=1 address=10.0.0.2 type=STATIC meta.zone=eu", "maps", "map",
			`{"instance":"1","name":"maps","address":"10.0.0.2","port":null,"sslPort":null,"type":"STATIC","enabled":true,"uri":null,"class":"java.util.TreeMap","payload":{"zone":"eu"}}` + "\n"},
		{"register as=spring name=spring id=1 address=10.0.0.3 port=80 sslPort=443 uri={scheme}://{address}:{ssl-port}/ meta.instance_status=UP", "spring", "spring",
			`{"instance":"1","name":"spring","address":"10.0.0.3","port":80,"sslPort":443,"type":"DYNAMIC","enabled":true,"uri":"https://10.0.0.3:443/","class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","payload":{"id":"1","name":"spring","metadata":{"instance_status":"UP"}}}` + "\n"},
		{"register name=a/b/c id=1 address=host.example.org port=1 type=DYNAMIC_SEQUENTIAL", "a/b/c", "void",
			`{"instance":"1","name":"a/b/c","address":"host.example.org","port":1,"sslPort":null,"type":"DYNAMIC_SEQUENTIAL","enabled":true,"uri":null,"class":null,"payload":null}` + "\n"},
	} {
		ask(t, app, c.register)
		if got := ask(t, other, "instances as="+c.as+" name="+c.name); got != c.want {
			t.Errorf("after %q another sees\n%swant\n%s", c.register, got, c.want)
		}
	}
	if got := ask(t, other, "names"); got != `{"name":"a"}`+"\n"+`{"name":"maps"}`+"\n"+`{"name":"spring"}`+"\n"+`{"name":"web"}`+"\n" {
		t.Errorf("names = %s", got)
	}
	testCuratorFollows(t, app, other)
	testCuratorErrors(t, app)
}

func testCuratorFollows(t *testing.T, app, other *servers.Curator) {
	t.Helper()
	eventually(t, "a cache has what another registered", func() bool {
		return strings.Contains(ask(t, other, "cached as=object name=web"), `"instance":"void"`)
	})
	ask(t, app, "update name=web id=void address=10.0.0.9 port=80 type=PERMANENT")
	ask(t, other, "await as=object name=web address=10.0.0.9 there=true")
	if got := ask(t, other, "cached as=object name=web"); !strings.Contains(got, `"address":"10.0.0.9"`) {
		t.Errorf("a cache has %s", got)
	}
	ask(t, app, "unregister name=web id=void")
	ask(t, other, "await as=object name=web address=10.0.0.9 there=false")
	if got := ask(t, other, "cached as=object name=web"); strings.Contains(got, `"instance"`) {
		t.Errorf("a cache that is to be empty has %s", got)
	}
	if err := app.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, other, "instances as=map name=maps"); got != "" {
		t.Errorf("after the end of who registered it there is %s", got)
	}
}

func testCuratorErrors(t *testing.T, ended *servers.Curator) {
	t.Helper()
	if _, err := ended.Do(t.Context(), "names"); err == nil {
		t.Error("who was stopped answers")
	}
	if err := ended.Stop(); err != nil {
		t.Errorf("second Stop() = %v", err)
	}
}
