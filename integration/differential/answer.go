package differential

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// answer is a reply in a form that can be compared. Records are in
// presentation format, sorted, each once, with the serial of SOA records 0.
type answer struct {
	rcode             int
	flags             string // of aa, ra and ad those that are set
	echo              string // likewise of rd and cd, which the question sets
	opt               string // the OPT record; "" if there is none
	truncated         bool
	answer, ns, extra []string
	serials           []uint32 // of SOA records
	doubled           string   // a record that stands twice in its section
}

// reduce returns what m says. With fold, names are in lower case.
func reduce(m *dns.Msg, fold bool) answer {
	a := answer{
		rcode: m.Rcode, truncated: m.Truncated,
		flags: set("aa", m.Authoritative) + set("ra", m.RecursionAvailable) + set("ad", m.AuthenticatedData),
		echo:  set("rd", m.RecursionDesired) + set("cd", m.CheckingDisabled),
	}
	a.answer = a.section(m.Answer, fold)
	a.ns = a.section(m.Ns, fold)
	a.extra = a.section(m.Extra, fold)
	return a
}

func set(name string, is bool) string {
	if is {
		return " " + name
	}
	return ""
}

func (a *answer) section(rrs []dns.RR, fold bool) []string {
	var all []string
	for _, rr := range rrs {
		switch x := rr.(type) {
		case *dns.OPT:
			a.opt = fmt.Sprintf("version %d size %d do %v options %d", x.Version(), x.UDPSize(), x.Do(), len(x.Option))
			continue
		case *dns.SOA:
			a.serials = append(a.serials, x.Serial)
			c := *x
			c.Serial = 0
			rr = &c
		}
		all = append(all, text(rr, fold))
	}
	slices.Sort(all)
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			a.doubled = all[i]
		}
	}
	return slices.Compact(all)
}

func text(rr dns.RR, fold bool) string {
	t := strings.ReplaceAll(rr.String(), "\t", " ")
	if fold {
		t = strings.ToLower(t)
	}
	return t
}

// is reports whether a says what b says. What the question alone decides, and
// truncation, are not looked at.
func (a answer) is(b answer) bool {
	return a.rcode == b.rcode && a.flags == b.flags &&
		slices.Equal(a.answer, b.answer) && slices.Equal(a.ns, b.ns) && slices.Equal(a.extra, b.extra)
}

// with returns a with other records in its answer section.
func (a answer) with(records []string) answer {
	a.answer = records
	return a
}

// String shows the answer for people.
func (a answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s%s%s", dns.RcodeToString[a.rcode], a.flags, a.echo, set("tc", a.truncated))
	if a.opt != "" {
		fmt.Fprintf(&b, " [%s]", a.opt)
	}
	for _, s := range []struct {
		name    string
		records []string
	}{{"answer", a.answer}, {"authority", a.ns}, {"additional", a.extra}} {
		for i, r := range s.records {
			if i == 8 {
				fmt.Fprintf(&b, "\n    %s: and %d more", s.name, len(s.records)-i)
				break
			}
			fmt.Fprintf(&b, "\n    %s: %s", s.name, r)
		}
	}
	return b.String()
}

// missing returns what of all is not in some.
func missing(all, some []string) []string {
	var out []string
	for _, r := range all {
		if _, found := slices.BinarySearch(some, r); !found {
			out = append(out, r)
		}
	}
	return out
}

// union returns all of both, sorted, each once.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// parseRR reads a record that text made.
func parseRR(s string) dns.RR {
	rr, err := dns.NewRR(s)
	if err != nil || rr == nil {
		return &dns.NULL{}
	}
	return rr
}

// respelled returns an error if m, a reply of ours to a question for name, does
// not spell names as it should: as in the question where they own the answer,
// in lower case else.
func respelled(m *dns.Msg, name string) error {
	for i, rr := range slices.Concat(m.Answer, m.Ns, m.Extra) {
		if _, is := rr.(*dns.OPT); is {
			continue
		}
		owner := rr.Header().Name
		want := strings.ToLower(owner)
		if strings.EqualFold(owner, name) && i < len(m.Answer)+len(m.Ns) {
			want = name
		} else if _, is := rr.(*dns.SOA); is && strings.HasSuffix(name, owner) {
			want = owner // the zone as the question spells it
		}
		if owner != want {
			return fmt.Errorf("owner %q is spelled other than %q", owner, want)
		}
		for _, inside := range namesIn(rr) {
			if inside != strings.ToLower(inside) {
				return fmt.Errorf("%q is not in lower case", inside)
			}
		}
	}
	return nil
}

// namesIn returns the names in the data of a record.
func namesIn(rr dns.RR) []string {
	switch x := rr.(type) {
	case *dns.CNAME:
		return []string{x.Target}
	case *dns.PTR:
		return []string{x.Ptr}
	case *dns.SRV:
		return []string{x.Target}
	case *dns.NS:
		return []string{x.Ns}
	case *dns.SOA:
		return []string{x.Ns, x.Mbox}
	}
	return nil
}
