package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/isthmus-dns/isthmus/bridge/mirror"
)

// admin serves those who run the bridge: what it knows, what it would write,
// and the one thing that it asks of people.
//
//	GET  /status                  a Report, as JSON
//	GET  /plan                    what the rules would write, as isthmus plan prints it; ?o=json
//	POST /approve?rule=FROM:TO    lets go what the rule's budget holds: an Approval
//
// A web page in a browser on this host is no client: neither one of another
// origin, nor one that has its own name resolved to this host.
func (b *Bridge) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", b.servesStatus)
	mux.HandleFunc("GET /plan", b.servesPlan)
	mux.HandleFunc("POST /approve", b.servesApproval)
	return localOnly(http.NewCrossOriginProtection().Handler(mux))
}

// localOnly refuses requests for a host by any name but a loopback's.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "not for this host", http.StatusForbidden)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (b *Bridge) servesStatus(w http.ResponseWriter, _ *http.Request) {
	b.answers(w, http.StatusOK, b.Report())
}

func (b *Bridge) servesPlan(w http.ResponseWriter, r *http.Request) {
	plans, st := make([]*mirror.Plan, len(b.loops)), b.leadStatus()
	for i, l := range b.loops {
		if plans[i] = l.Plan(); !st.Leads {
			plans[i] = &mirror.Plan{Rule: plans[i].Rule, Blocked: st.standby()}
		}
	}
	write, form := mirror.WriteText, "text/plain; charset=utf-8"
	switch o := r.URL.Query().Get("o"); o {
	case "", "text":
	case "json":
		write, form = mirror.WriteJSON, "application/json"
	default:
		http.Error(w, fmt.Sprintf("o=%q: want text or json", o), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", form)
	if err := write(w, plans); err != nil {
		b.log.Debug("plan not served", "error", err)
	}
}

// Approval is what came of asking to approve. The bridge has agreed to delete,
// and may not have done so yet.
type Approval struct {
	Rule     string `json:"rule"`
	Approved int    `json:"approved"` // services
}

// Errors of Approve.
var (
	ErrNoRule      = errors.New("no such rule")
	ErrNothingHeld = errors.New("no deletion is held by the budget")
)

// Approve lets go the deletions that the budget of a rule, FROM:TO, holds. It
// returns an error that wraps ErrNoRule or ErrNothingHeld where there is nothing
// to let go.
func (b *Bridge) Approve(rule string) (Approval, error) {
	for i, r := range b.config.Rules {
		if r.String() != rule {
			continue
		}
		n := b.loops[i].Approve()
		if st := b.leadStatus(); n == 0 && !st.Leads {
			return Approval{}, fmt.Errorf("rule %q: %s: %w", rule, st.standby(), ErrNothingHeld)
		}
		if n == 0 {
			return Approval{}, fmt.Errorf("rule %q: %w", rule, ErrNothingHeld)
		}
		return Approval{rule, n}, nil
	}
	return Approval{}, fmt.Errorf("rule %q: %w", rule, ErrNoRule)
}

func (b *Bridge) servesApproval(w http.ResponseWriter, r *http.Request) {
	a, err := b.Approve(r.URL.Query().Get("rule"))
	switch {
	case errors.Is(err, ErrNoRule):
		http.Error(w, err.Error(), http.StatusNotFound)
	case err != nil:
		http.Error(w, err.Error(), http.StatusConflict)
	default:
		b.answers(w, http.StatusOK, a)
	}
}

func (b *Bridge) answers(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(body); err != nil {
		b.log.Debug("not served", "error", err)
	}
}
