package hostile

import (
	"fmt"
	"strings"
)

// Instances are values of nodes in ZooKeeper where an instance of Curator's should be.
func Instances() []Value {
	var all []Value
	for _, text := range []string{
		" ", "null", "true", "7", "\"10.0.0.1\"", "[]", "[{}]", "{", "{}", "{]", "\x00\x01\x02", "\xff\xfe", "\xac\xed\x00\x05sr", "<html><body>503</body></html>", "10.66.1.1:80",
		`{"address":`, `{"address":null}`, `{"address":7}`, `{"address":[]}`, `{"address":{"a":"b"}}`, `{"address":""}`, `{"address":" "}`, `{"host":"10.66.1.1"}`,
		`{"address":"10.66.1.1"} trailing`, `{"address":"10.66.1.1"}{"address":"10.66.1.1"}`, "{\"address\":\"10.66.1.1\xff\"}", "\ufeff" + `{"address":"10.66.1.1"}`, `{address:"10.66.1.1"}`,
		strings.Repeat("[", 20000), strings.Repeat(`{"address":`, 20000), `{"address":"10.66.1.1","payload":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`,
		strings.Repeat("a", 1<<20-1000), `{"address":"10.66.1.1","payload":"` + strings.Repeat("a", 1<<20-1000) + `"}`, `{"address":"10.66.1.1"` + strings.Repeat(" ", 1<<17) + `}`,
	} {
		all = append(all, Value{text, false})
	}
	for _, host := range Hosts() {
		all = append(all, Value{`{"address":"` + host + `","port":80}`, false})
	}
	for _, number := range []string{"-1", "65536", "1e309", "\"80\"", "1.5", "NaN", "99999999999999999999", "true", "[80]"} {
		all = append(all, Value{`{"address":"10.66.1.1","port":` + number + `}`, false}, Value{`{"address":"10.66.1.1","sslPort":` + number + `}`, false})
	}
	for _, fields := range []string{
		`"port":null,"sslPort":null,"payload":null,"uriSpec":null,"serviceType":null,"registrationTimeUTC":null,"name":null,"id":null`,
		`"payload":"text"`, `"payload":["java.util.ArrayList",[1]]`, `"payload":{"@class":"java.lang.Runtime","metadata":{"x":[]}}`, `"payload":{"metadata":null}`, `"payload":{"metadata":7}`,
		`"payload":` + strings.Repeat("[", 500) + strings.Repeat("]", 500), `"payload":{"metadata":{` + strings.TrimSuffix(strings.Repeat(`"k":"v",`, 5000), ",") + `}}`, `"payload":{"metadata":{` + entries(3000) + `}}`,
		`"payload":{"metadata":{"weight":"1e99","zone":"../x","isthmus.dev/drift":"1","isthmus.dev/path":"/services/web","a\u0000b":"c\u001b[2J"}}`, `"payload":{"metadata":{"` + strings.Repeat("k", 30000) + `":"` + strings.Repeat("v", 30000) + `"}}`,
		`"uriSpec":{"parts":[` + strings.TrimSuffix(strings.Repeat(`{"value":"x","variable":false},`, 1500), ",") + `]}`, `"uriSpec":{"parts":null}`, `"uriSpec":{"parts":[null,7]}`, `"uriSpec":{"parts":[{"value":"a b://\u0000","variable":false}]}`,
		`"enabled":"false"`, `"enabled":7`, `"serviceType":"LATER"`, `"registrationTimeUTC":1e308`, `"isthmus":{"owner":"prod"}`, `"Address":"10.99.1.2"`,
	} {
		all = append(all, Value{`{"address":"10.99.1.1",` + fields + `}`, true})
	}
	return append(all, Value{`{"address":"127.0.0.1","address":"10.99.1.1"}`, true}, Value{"\n\t {\"address\":\"10.99.1.1\"}\n", true})
}

// entries are so many of an object, each with a name of its own.
func entries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":"v",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}
