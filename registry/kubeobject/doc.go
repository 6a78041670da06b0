// Package kubeobject turns Kubernetes objects into services of the catalog and
// back. It is pure: what registry/kubernetes reads from an API server and
// registry/manifests from files means the same.
//
//	Service + its EndpointSlices  --Decode-->  catalog.Service
//	ServiceImport + its slices    --DecodeImport-->  catalog.Service
//	catalog.Service with a Mark   --Encode-->  selectorless Service + EndpointSlices
//
// Reading. A Service's virtual addresses are its cluster IPs; NodePort and
// LoadBalancer Services are ClusterIP ones with External filled. An endpoint
// is one address with one set of ports; what several slices say of it is one
// endpoint, the best said of it counting. Conditions that are not set mean
// ready and serving, but not terminating. A port without a number means
// nothing here. Of the annotations, Meta keeps those that rules read.
//
// Writing. A mirror is a Service without selector: headless, with a cluster IP,
// or an ExternalName one; the cluster IP itself is the server's to give.
// Its slices have deterministic names, one address family, one set of ports
// and at most 1000 endpoints each. What a slice has no field for (pod, node,
// weight, tags, metadata) is an annotation of the slice: a node name of
// another cluster in nodeName would mean a node here.
package kubeobject
