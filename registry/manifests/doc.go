// Package manifests is the registry of a folder of Kubernetes manifests, as
// `kubectl apply -f FOLDER` would read it. It is read-only.
//
//	manifests [NAME] FOLDER              default name: the folder's
//
// Files that end in .yaml, .yml or .json are read, those whose name begins with
// a dot are not, and neither are folders within. A file holds any number of
// documents, or lists of objects. Service, EndpointSlice, Namespace and Pod
// count; other kinds are passed over. An object without a namespace is in
// "default". Of two objects with one kind and name, the one in the first file
// by name counts, and the other is refused.
//
// # Meaning
//
// An object means what it means on an API server, with what the server's
// controllers would do in the simplest way:
//
//   - A Service with a selector and without EndpointSlices has the Pods that it
//     selects as endpoints, at their status.podIPs. A Pod is ready unless its
//     condition Ready says otherwise; one that finished does not count.
//   - A Service without a clusterIP answers like a headless one, with its
//     endpoints: nobody is there to allocate an address, and nothing would
//     listen on it.
//   - A namespace exists if it is declared, or if anything is in it.
//
// # Changes
//
// The folder is watched, and read again every few seconds in case that the
// file system tells nothing; it may be replaced, be a symbolic link, or be a
// mounted ConfigMap. While a file cannot be read or parsed, or is empty, what
// it held before stands. While the folder cannot be read, everything stands.
//
// The registry's identity is "manifests:" and a hash of the folder's absolute
// path.
package manifests
