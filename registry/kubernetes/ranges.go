package kubernetes

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// serviceRange is what is kept of a ServiceCIDR, of one family or of both. Those
// that are not ready yet count, and those that go until they are gone, since
// addresses of theirs may be in use.
type serviceRange struct {
	id
	all []netip.Prefix
}

func (k keeper) serviceRange(o *networkingv1.ServiceCIDR) *serviceRange {
	r := &serviceRange{id: idOf(o, k.texts)}
	for _, text := range o.Spec.CIDRs {
		if p, err := netip.ParsePrefix(text); err == nil {
			r.all = append(r.all, p.Masked())
		}
	}
	return r
}

// rangesAre is what is known of the ranges beside the table of them.
type rangesAre struct {
	read  bool // they were, in this Watch
	dirty bool // they are to be reported
}

// rangesRecord is by which name status shows that they may not be read.
const rangesRecord = "ServiceCIDRs"

// rangeSources are what is watched of Service ranges: nothing unless asked for.
// Servers before Kubernetes 1.33 do not know them, and roles of earlier bridges do
// not grant them; addresses are checked by deny_cidr alone then.
func (s *server) rangeSources(v *view, listed func() func()) []source {
	if !s.conf.details.Ranges {
		return nil
	}
	api := s.client.NetworkingV1().ServiceCIDRs()
	client := &optional[*networkingv1.ServiceCIDRList]{
		list: api.List, watch: api.Watch,
		// Without a version it takes nothing away: what was read once stands.
		none:    func() *networkingv1.ServiceCIDRList { return &networkingv1.ServiceCIDRList{} },
		refused: func(err error) { s.noRanges(v, err) },
		again:   askAgain,
	}
	src := selected("servicecidrs", &networkingv1.ServiceCIDR{}, client, func(*metav1.ListOptions) {})
	src.heads = s.heads(networkingv1.SchemeGroupVersion.WithResource("servicecidrs"), "", func(*metav1.ListOptions) {})
	src.past = v.newPast()
	done := listed()
	read := func() {
		if client.reads.Load() {
			v.readRanges()
		}
		done()
	}
	all := func(types.NamespacedName) bool { return true }
	src.into = &scope[*serviceRange]{v.ranges, keeping(v.ranges, v.keeper.serviceRange), all, read, src.past}
	return []source{src}
}

// noRanges says that the ranges cannot be read: once in the log, and in status
// while that can be mended.
func (s *server) noRanges(v *view, err error) {
	if apierrors.IsNotFound(err) {
		v.feed.Refuse(rangesRecord, nil)
		s.older.Do(func() {
			s.log.Info("the API server does not tell its Service ranges: addresses in them are refused where deny_cidr names them")
		})
		return
	}
	err = fmt.Errorf("addresses in the Service range are refused by deny_cidr alone: grant list and watch on servicecidrs: %w", cause(err))
	v.feed.Refuse(rangesRecord, err)
	s.denied.Do(func() { s.log.Warn("Service ranges may not be read", "err", err) })
}

func (v *view) noteRange(types.NamespacedName) {
	v.dirtyMu.Lock()
	v.rangesAre.dirty = true
	v.dirtyMu.Unlock()
	v.again()
}

// readRanges notes that what the table holds is all of them.
func (v *view) readRanges() {
	v.feed.Refuse(rangesRecord, nil)
	v.dirtyMu.Lock()
	v.rangesAre.read = true
	v.dirtyMu.Unlock()
	v.noteRange(types.NamespacedName{})
}

// flushRangesLocked reports the ranges, if any came or went, once they were read.
func (v *view) flushRangesLocked() {
	v.dirtyMu.Lock()
	is := v.rangesAre
	v.rangesAre.dirty = false
	v.dirtyMu.Unlock()
	if !is.read || !is.dirty {
		return
	}
	var all []netip.Prefix
	for _, r := range v.ranges.list() {
		all = append(all, r.all...)
	}
	slices.SortFunc(all, netip.Prefix.Compare)
	v.feed.ReplaceRanges(slices.Compact(all))
	v.health.tell()
}
