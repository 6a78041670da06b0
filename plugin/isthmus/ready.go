package isthmus

// Ready implements ready.Readiness: every origin that speaks for namespaces,
// or without any the first one, and every one that is required has reported
// all that it holds. What happens to them later does not change it.
func (p *Isthmus) Ready() bool { return p.views.newest.Load().ready() }
