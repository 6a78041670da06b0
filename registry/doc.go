// Package registry says what the plugin and the bridge ask of a registry: the
// contract (Registry, Writer), what a kind of registry is (Type, Config), and
// the supervisor that keeps one watched.
//
// To add a registry, make a folder beside the others with config.go (the
// stanza), watch.go (reading), write.go (writing) and codec.go (records to
// services and back, pure), let it pass registrytest against the real server,
// and add one line to package all.
//
// A registry keeps policy out: it reports all that it can read and writes what
// it is told. It returns errors and does not retry; the supervisor does. It
// logs nothing but a record that it refuses, once per change.
package registry
