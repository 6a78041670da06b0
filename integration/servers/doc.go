// Package servers builds real registries from pinned modules and runs them on free loopback ports: etcd, Consul and the
// Kubernetes API server; and ZooKeeper, which it takes from Debian. Tests reach it through the package serverstest; the demo and
// people use it as it is.
//
// Each server that is built is a program of a module of its own below modules, because their dependencies cannot live in one
// graph. It is compiled once into the user's cache folder (isthmus/servers below os.UserCacheDir) under a name that holds
// the program, its version, the Go release and a sum of its module files; a changed pin is a new name. The module files are
// found from the main module's root, so a build must start inside the source tree.
//
//	program                  version is pinned in        needs
//	etcd, etcdctl            modules/etcd/go.mod         -
//	coredns                  modules/coredns/go.mod      -
//	consul                   modules/consul/go.mod       -
//	kube-apiserver           modules/kubernetes/go.mod   etcd, which is started with it
//	kube-controller-manager  modules/kubernetes/go.mod   kube-apiserver
//
// ZooKeeper and a client of Apache Curator's service discovery run in the machine's Java, with libraries of Debian's packages that
// are unpacked into the same folder and not installed, see FindJava. Their versions are the system's: Debian 12 has ZooKeeper 3.8.0
// and Curator 5.4.0.
//
// The browser that looks at Consul's pages is the machine's own, see Chromium.
//
// Consul is under the Business Source License: it is built and run here, and neither linked nor shipped.
//
// # Ordering and ownership
//
//   - A context given to Build, a Start function or Restart bounds that call alone. A started server lives until Stop, Kill or
//     the end of this process, whichever is first; on Linux also when this process is killed.
//   - Whoever started a server calls Stop, which waits for the process and removes what was temporary.
//   - Methods of a server may be called from any goroutine, but those that change its life (Stop, Halt, Kill, Restart) by one
//     at a time.
//   - One build runs at a time over all processes of a user, held by a file lock; who waited finds the result in the cache.
package servers
