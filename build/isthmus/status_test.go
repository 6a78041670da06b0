package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/isthmus-dns/isthmus/bridge"
)

func TestPrintStatus(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := bridge.Report{
		Owner: "prod", Time: now,
		Origins: []bridge.OriginReport{{
			Origin: "kubernetes/prod", Synced: true, Connected: true, Since: now.Add(-90 * time.Second), News: now.Add(-2 * time.Second),
			Services: 12, Natives: 10, Mirrors: 2,
			Orphans: bridge.Findings{Count: 1, List: []bridge.Finding{{Original: "shop/old", Target: "in/old", Why: "no rule"}}},
		}, {
			Origin: "etcd/edge", Synced: true, Since: now.Add(-time.Hour), News: now.Add(-time.Hour), Error: "no answer\nat all",
			Refused: bridge.Refused{Count: 3, Records: []bridge.RefusedRecord{{Record: "/skydns/\x1b[31mr\u202eed", Why: "no JSON"}}},
		}, {
			Origin: "consul/dc1",
		}},
		Rules: []bridge.RuleReport{{
			Rule: "kubernetes/prod:etcd/edge", Same: 7, Pending: 1, Lag: 0.25, Puts: 9, Deletes: 1, Budget: "too many would go",
			Held:    bridge.Findings{Count: 2, List: []bridge.Finding{{Original: "shop/a", Target: "shop/a", Why: "too many would go"}}},
			Taken:   bridge.Findings{Count: 1, List: []bridge.Finding{{Original: "shop/web", Target: "shop/web", Why: "a native service has the name"}}},
			Refused: bridge.Findings{Count: 1, List: []bridge.Finding{{Target: "shop/", Why: "no namespace"}}},
			Error:   &bridge.Failure{Time: now, Target: "shop/b", Why: "no leader"},
		}, {
			Rule: "kubernetes/prod:consul/dc1", Blocked: "consul/dc1 is not synced yet",
		}},
	}
	const want = `bridge prod

REGISTRY         STATE                NEWS        SERVICES  NATIVE  MIRRORS  ORPHANS  REFUSED
kubernetes/prod  connected for 1m30s  2s ago      12        10      2        1        0
etcd/edge        lost for 1h0m0s      1h0m0s ago  0         0       0        0        3
consul/dc1       never reached        -           0         0       0        0        0

RULE                        STATE    SAME  PENDING  LAG    HELD  TAKEN  REFUSED  REDUCED  FAILED  PUTS  DELETES
kubernetes/prod:etcd/edge   writing  7     1        250ms  2     1      1        0        0       9     1
kubernetes/prod:consul/dc1  blocked  0     0        0s     0     0      0        0        0       0     0

kubernetes/prod: o in/old  shop/old  orphan: no rule
etcd/edge: no answer at all
etcd/edge: x /skydns/ [31mr ed    left out: no JSON
etcd/edge: x and 2 more
kubernetes/prod:etcd/edge: deletions held: too many would go
kubernetes/prod:etcd/edge: = shop/a  shop/a  held: too many would go
kubernetes/prod:etcd/edge: = and 1 more
kubernetes/prod:etcd/edge: ! shop/web  shop/web  taken: a native service has the name
kubernetes/prod:etcd/edge: ! shop/               refused: no namespace
kubernetes/prod:etcd/edge: ? shop/b              last error, at 2026-01-02T03:04:05Z: no leader
kubernetes/prod:consul/dc1: nothing is written: consul/dc1 is not synced yet
`
	var got bytes.Buffer
	if err := printStatus(&got, r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got\n%s\n%s", diff, got.String())
	}
}
