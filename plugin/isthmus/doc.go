// Package isthmus is the CoreDNS plugin isthmus: it answers for the services
// of Kubernetes, Consul, etcd and folders of manifests from one catalog in
// memory. README.md beside it is its manual.
//
//	registries --Feed--> catalog --Snapshot--> view --atomic pointer--> answers
//
// A question is read by zones.parse (a name to a query), answered by
// view.answer (a query and a view to records and rcode), both pure, and written
// by ServeDNS: as bytes by a sender where nobody else is to see it, otherwise as
// a message. A view is immutable, and so is every record in it. One
// goroutine, views.follow, makes the next view at the cost of what changed;
// process owns it and the watchers.
package isthmus
