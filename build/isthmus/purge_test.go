package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/catalog"
)

func TestPurgeAsks(t *testing.T) {
	doomed := []bridge.Doomed{{Origin: "consul/dc1", Mirror: &catalog.Service{
		Key:       catalog.Key{Namespace: "consul", Name: "web"},
		Mark:      &catalog.Mark{Owner: "prod", Of: "id", Key: catalog.Key{Namespace: "shop", Name: "web"}, Format: 1},
		Endpoints: make([]catalog.Endpoint, 3),
	}}}
	const list = `REGISTRY    MIRROR      ORIGINAL  IDENTITY  INSTANCES
consul/dc1  consul/web  shop/web  id        3
1 mirrors of owner "prod"
`
	for _, tt := range []struct {
		name, in string
		p        purging
		want     bool
		status   int // of the error; 0: none
	}{
		{name: "yes", in: "yes\n", p: purging{terminal: true}, want: true},
		{name: "no", in: "no\n", p: purging{terminal: true}},
		{name: "y is not enough", in: "y\n", p: purging{terminal: true}},
		{name: "nothing", in: "", p: purging{terminal: true}},
		{name: "no terminal", in: "yes\n", status: 1},
		{name: "no terminal, but told", p: purging{yes: true}, want: true},
		{name: "to look only", in: "yes\n", p: purging{terminal: true, dryRun: true}, status: 2},
		{name: "to look only, and told", p: purging{yes: true, dryRun: true}, status: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, asked bytes.Buffer
			tt.p.in, tt.p.out, tt.p.err = strings.NewReader(tt.in), &out, &asked
			got, err := tt.p.agree(t.Context(), "prod", doomed)
			status := 0
			var exit exitError
			switch {
			case errors.As(err, &exit):
				status = exit.status
			case err != nil:
				status = 1
			}
			if got != tt.want || status != tt.status {
				t.Errorf("agree = %v, %v; want %v, status %d", got, err, tt.want, tt.status)
			}
			if out.String() != list {
				t.Errorf("listed:\n%s\nwant:\n%s", out.String(), list)
			}
			if asks := asked.Len() > 0; asks != (tt.p.terminal && !tt.p.dryRun) {
				t.Errorf("asked %q", asked.String())
			}
		})
	}
}
