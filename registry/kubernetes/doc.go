// Package kubernetes is the registry of a Kubernetes API server: Services,
// EndpointSlices and Namespaces.
//
//	kubernetes [NAME] {                  default name: cluster
//	    kubeconfig FILE [CONTEXT]        else endpoint, else the variable KUBECONFIG, else in-cluster
//	    endpoint URL
//	    tls CERT KEY CACERT              of endpoint
//	    namespaces NS...                 only these, each watched alone; default: all
//	    namespace_labels SELECTOR        only namespaces with these labels
//	    labels SELECTOR                  only Services, EndpointSlices and Pods with these labels
//	    noendpoints                      no EndpointSlices
//	    nopodnames                       endpoints do not tell which pods they are: memory saved for readers that do not ask
//	    pods                             report pods, too, for readers that ask which pod has an address
//	    qps N                            requests a second, default 200
//	    burst N                          default twice qps
//	    max_inflight N                   requests at a time, watches not counted; default: no limit
//	    fence_namespace NS               where a bridge keeps its fence, default "default"
//	}
//
// # Identity
//
// The registry is "kubernetes:" and the UID of the namespace kube-system. A
// client that may not list that namespace, and is given others by the option
// namespaces, is identified by the UID of the first of these by name, with a
// warning. Then one cluster has several identities: a bridge and a DNS server
// with other rights, or other namespaces, take it for two. The DNS server
// cannot match a mirror with its original then, and may serve both. So grant
// list on namespaces with the resource name kube-system to both, or to none and
// give both the same namespaces. A reader that is given namespaces and may list
// none of them goes without an identity, with a warning.
//
// The identity is asked for before each Watch, and by each reflector before it
// goes on after a pause. If it changed, or the server is at an older resource
// version than it told before (its data was restored from a backup), the Watch
// ends, and the next one reads all anew. The writes of this process count as
// nothing told.
//
// # Rights
//
// Reading wants list and watch on services, endpointslices and namespaces,
// which the stock CoreDNS role has, and with the option pods on pods. With
// namespaces NS a Role in each NS suffices, for services, endpointslices and
// pods: a reader takes NS to exist and watches no namespaces. A writer wants to
// list and watch those with the resource names NS (and kube-system), too.
// The imports of other clusters want list and watch on serviceimports of the
// group multicluster.x-k8s.io, besides those on endpointslices and namespaces.
// Telling which services are exported wants list and watch on serviceexports of
// that group; without these, or without the resource, nothing but that is unknown.
// Telling the Service ranges wants list and watch on servicecidrs of the group
// networking.k8s.io; without these, which is shown as a refused record, or without
// the resource, which servers have since Kubernetes 1.33, none are told.
// Writing wants get, list, create, update and delete on services and
// endpointslices where mirrors go, and get, create and update on configmaps in
// the fence's namespace; making namespaces for mirrors, create on these.
// Telling the users of Services wants get on services, and create and patch on
// events of the core group; without these nothing but Events is missing.
// Electing a leader wants get, create, update and watch on leases of the group
// coordination.k8s.io in the lease's namespace; without watch, who stands by
// looks every few seconds.
//
// # What is reported
//
// Of each object that a reflector brings, what it means is kept, packed, and the
// rest forgotten at once, except for mirrors that this process writes. An object
// that is listed again in the version that is held costs nothing, so that listing
// everything again takes little more memory than what changed. A server that
// cannot stream a list is asked for pages of it, at its newest version. Services
// are made of what is kept when they are reported, one at a time. What a change
// touches is built anew and reported; changes that come together are one
// report. The first report waits until everything was listed. While the API
// server cannot be reached, that is reported by Feed.Connected, and the last
// report stands; it is asked each second then, and what a watch delivers shows,
// too, that it is reached. What this process wrote itself is taken from the server's
// answer at once; older events do not override it.
//
// Watches are hints. About every half hour, or every five minutes for a
// bridge, the names and versions of all Services, EndpointSlices and
// Namespaces are listed, in pages. If a watch does not tell within two seconds
// of what differs from what is known, all objects of that kind are listed again
// beside it; what it had missed is counted in the origin's state, and logged.
// Pods are not compared.
//
// # What is imported
//
// Imports opens what the clusters of a set export to each other (KEP-1645):
// ServiceImports with the EndpointSlices that are labelled for them. It is a
// registry of its own, with its own watches, that reports the namespaces, too,
// and no pods. A cluster that does not know the resource cannot be read; it is
// asked again every few seconds, and read once it does. Slices that are labelled
// for an import only are no part of the cluster's own services; one that names a
// Service, too, belongs to both, as for kube-proxy.
//
// # What is joined
//
// A mirror whose mark says that it joins stands below a native Service of its key:
// EndpointSlices with the whole mark, which the Service owns. The Service is never
// written. Who answers gets these endpoints as a part of the Service; a bridge asks
// to get them apart (registry.Details), since they are no source.
//
// # What writing cannot hold
//
// Every write names the resource version that it is based on, so what changed
// in between is never overwritten. But Kubernetes has no transactions: the
// fence is read before every batch of writes and not within each, so that a
// deposed leader's writes of one batch may still arrive; where a leader is elected,
// none is sent once its lease is too old for that (registry.Leased). A fence that was
// deleted, or brought back from a backup, is made anew above the epoch that this
// process claimed last; one that another process claimed is not known. A service is several
// objects: it is written by adding first and removing last, and whoever reads
// in between sees both.
package kubernetes
