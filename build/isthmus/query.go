package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"
)

// question is what the arguments of query ask.
type question struct {
	name    string
	typ     uint16
	server  string
	tcp     bool
	timeout time.Duration
}

// noRecord is the exit status of an answer without a record.
const noRecord = 3

func queryCommand() *cobra.Command {
	q := question{}
	cmd := &cobra.Command{
		Use:   "query NAME [TYPE] [@SERVER[:PORT]]",
		Short: "Ask a DNS server, for machines without dig",
		Long: `Ask a DNS server for the records of a name, as dig does.

TYPE is A unless it is said. An address in place of NAME asks for its PTR record.
Without a server, the first in /etc/resolv.conf is asked. An answer that does not
fit is asked for again by TCP. The records of the answer are printed one a line;
lines that begin with ";" are the status and the records of other sections.

Exit status: 0 answered with records, 3 answered without (no such name, no record
of the type, or the server failed or refused: the status line says which), 1 no
answer or bad arguments.`,
		Args: cobra.RangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := q.parse(args); err != nil {
				return err
			}
			return q.ask(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&q.tcp, "tcp", false, "ask by TCP at once")
	cmd.Flags().DurationVar(&q.timeout, "timeout", 3*time.Second, "how long to wait for an answer; asked twice by UDP")
	return cmd
}

func (q *question) parse(args []string) error {
	var words []string
	for _, arg := range args {
		server, ok := strings.CutPrefix(arg, "@")
		if !ok {
			words = append(words, arg)
			continue
		}
		if q.server != "" {
			return fmt.Errorf("a second server %q", arg)
		}
		q.server = withPort(server)
	}
	if len(words) == 0 || len(words) > 2 {
		return errors.New("want NAME [TYPE] [@SERVER[:PORT]]")
	}
	if err := q.parseName(words[0]); err != nil {
		return err
	}
	if len(words) == 2 {
		typ, known := dns.StringToType[strings.ToUpper(words[1])]
		if !known {
			return fmt.Errorf("unknown type %q", words[1])
		}
		q.typ = typ
	}
	return q.defaultServer()
}

func (q *question) parseName(word string) error {
	q.name, q.typ = dns.Fqdn(word), dns.TypeA
	if addr, err := netip.ParseAddr(word); err == nil {
		reverse, err := dns.ReverseAddr(addr.String())
		if err != nil {
			return fmt.Errorf("name %q: %w", word, err)
		}
		q.name, q.typ = reverse, dns.TypePTR
	}
	if _, ok := dns.IsDomainName(q.name); !ok {
		return fmt.Errorf("%q is no domain name", word)
	}
	return nil
}

// withPort adds port 53 where there is none.
func withPort(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), "53")
}

func (q *question) defaultServer() error {
	if q.server != "" {
		return nil
	}
	const file = "/etc/resolv.conf"
	conf, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return fmt.Errorf("no server given: %w", err)
	}
	if len(conf.Servers) == 0 {
		return fmt.Errorf("no server given, and none in %q", file)
	}
	q.server = net.JoinHostPort(conf.Servers[0], conf.Port)
	return nil
}

// ask asks by UDP, twice if need be, and by TCP if the answer is cut.
func (q *question) ask(ctx context.Context, w io.Writer) error {
	protocols := []string{"udp", "udp"}
	if q.tcp {
		protocols = []string{"tcp"}
	}
	var err error
	for _, protocol := range protocols {
		var reply *dns.Msg
		var took time.Duration
		reply, took, err = q.exchange(ctx, protocol)
		if err == nil && reply.Truncated && protocol == "udp" {
			protocol = "tcp"
			reply, took, err = q.exchange(ctx, protocol)
		}
		if err == nil {
			return q.print(w, reply, protocol, took)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("ask %q for %q: %w", q.server, q.name, err)
}

func (q *question) exchange(ctx context.Context, protocol string) (*dns.Msg, time.Duration, error) {
	msg := new(dns.Msg).SetQuestion(q.name, q.typ).SetEdns0(1232, false)
	client := &dns.Client{Net: protocol, Timeout: q.timeout}
	return client.ExchangeContext(ctx, msg, q.server)
}

func (q *question) print(w io.Writer, reply *dns.Msg, protocol string, took time.Duration) error {
	flags := ""
	if reply.Authoritative {
		flags = ", authoritative"
	}
	var b strings.Builder
	fmt.Fprintf(&b, ";; status: %s%s, server: %s by %s, %s\n", dns.RcodeToString[reply.Rcode], flags, q.server, protocol, took.Round(10*time.Microsecond))
	for _, rr := range reply.Answer {
		fmt.Fprintln(&b, rr)
	}
	for _, rr := range append(reply.Ns, reply.Extra...) {
		if rr.Header().Rrtype != dns.TypeOPT {
			fmt.Fprintln(&b, ";", rr)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print the answer: %w", err)
	}
	if reply.Rcode != dns.RcodeSuccess || len(reply.Answer) == 0 {
		return exitError{status: noRecord}
	}
	return nil
}
