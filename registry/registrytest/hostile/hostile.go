// Package hostile lists what somebody may put into a registry to harm those that
// read it. It seeds the fuzz targets of all decoders, and a story of integration
// writes it into real registries.
package hostile

import (
	"fmt"
	"strings"
)

// Names are names of services, labels and hosts that a decoder has to refuse, or to
// take as a name that harms nobody.
func Names() []string {
	long := strings.Repeat("a", 64)
	return []string{
		"", ".", "..", "...", " ", "-", "-a", "a-", "a.", ".a", "a..b", "A", "MiXeD", "a_b", "_", "_tcp", "_http._tcp", "_zone",
		"0", "123", "10.0.0.1", "0x7f000001", "xn--bcher-kva", "bücher", "раypal", "a\u200bb", "\ufeffa",
		"a\x00b", "a\nb", "a\tb", "a\x1b[2J\x1b]0;owned\x07", "a\\b", "a\"b", "a'b", "a/b", "a//b", "../../isthmus/fence/prod", "a%2fb", "%00", "%",
		"*", "any", "a*", "#", "{service}", "$(id)", "`id`", "a b", "a\xff\xfeb",
		"svc", "pod", "cluster", "local", "dns", "dns-version", "ns.dns", "kubernetes", "kubernetes.default", "consul", "com",
		"a" + long[1:63], long, strings.Repeat(long[:63]+".", 3) + long[:62], strings.Repeat("a.", 127) + "a", strings.Repeat("a", 4096),
	}
}

// Value is the value of a SkyDNS record.
type Value struct {
	Text string
	Fit  bool // it is one that a reader may take; any other has to be refused
}

// Values are values of SkyDNS records.
func Values() []Value {
	var all []Value
	for _, text := range []string{
		"", " ", "null", "true", "7", "\"10.0.0.1\"", "[]", "[{}]", "{", "{}", "{]", "\x00\x01\x02", "\xff\xfe", "<html><body>503</body></html>",
		`{"host":`, `{"host":null}`, `{"host":7}`, `{"host":[]}`, `{"host":{"a":"b"}}`, `{"host":""}`, `{"host":" "}`,
		`{"host":"10.66.1.1"} trailing`, `{"host":"10.66.1.1"}{"host":"10.66.1.1"}`,
		strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 20000),
	} {
		all = append(all, Value{text, false})
	}
	for _, host := range Hosts() {
		all = append(all, Value{`{"host":"` + host + `"}`, false})
	}
	for _, port := range []string{"-2", "65536", "1e309", "\"80\"", "1.5", "NaN", "99999999999999999999", "true"} {
		all = append(all, Value{`{"host":"10.66.1.1","port":` + port + `}`, false})
	}
	for _, field := range []string{`"weight":-1`, `"weight":65536`, `"weight":1e99`, `"priority":-1`, `"priority":65536`, `"ttl":-1`, `"ttl":7587848394749`, `"ttl":18446744073709551616`, `"isthmus":7`, `"isthmus":{}`, `"isthmus":{"owner":""}`, `"isthmus":"x"`} {
		all = append(all, Value{`{"host":"10.66.1.1",` + field + `}`, false})
	}
	for _, text := range []string{
		`{"host":"10.99.1.1","ttl":4294967295}`, `{"host":"10.99.1.1","ttl":0}`, `{"host":"10.99.1.1","port":0}`,
		`{"HOST":"10.99.1.1","Port":80}`, `{"host":"127.0.0.1","host":"10.99.1.1"}`, `{"host":"10.99.1.1","x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
		`{"host":"10.99.1.1","text":"` + strings.Repeat("a", 1<<20) + `"}`, "\n\t {\"host\":\"10.99.1.1\"}\n", `{"host":"10.99.1.1","isthmus":null}`,
	} {
		all = append(all, Value{text, true})
	}
	return all
}

// Hosts are addresses and host names that no record may have. Each can stand in a
// text of JSON.
func Hosts() []string {
	all := []string{
		"0.0.0.0", "127.0.0.1", "127.255.255.254", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "ff02::1",
		"::ffff:10.0.0.1", "::ffff:127.0.0.1", "010.0.0.1", "0x7f.1", "127.1", "2130706433", "10.0.0.256", "10.0.0.1:80", "[::1]", "10.0.0.1/8", "1.2.3", "[",
		`a\u0000b`, `a\nb`, `a\u001b[2J`, `a\\b`, `a\"b`, "a b", "a/b", "a..b", "-a.example.org", "a-.example.org", "http://a",
	}
	for _, n := range []int{64, 300} {
		all = append(all, strings.Repeat("a", n)+".example.org")
	}
	return append(all, strings.Repeat("a.", 128)+"org")
}

// Documents are what may stand where a reader looks for text of an own format or
// for YAML.
func Documents() []string {
	all := []string{
		"a: &a [*a, *a]", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]", "kind: Service\nkind: Service", "--- \n--- \n---", "%YAML 9.9\n---\n{}", "!!binary x",
		"kind: Service\napiVersion: v1\nmetadata: {name: \"a\\nb\", namespace: ../x}", "\ufeff", "\x00", "{" + strings.Repeat("{", 1000), strings.Repeat("- ", 2000), strings.Repeat("a {\n", 1000),
		"a \"", "a 'b", "a {", "}", "a {\n}\n}", "a {$HOME} {%PATH%}", "import /etc/passwd", "(x) {\n}\nimport x",
	}
	for _, name := range Names() {
		all = append(all, fmt.Sprintf("kind: Service\napiVersion: v1\nmetadata: {name: %q, namespace: %q}\nspec: {type: ExternalName, externalName: %q}", name, name, name))
	}
	return all
}
