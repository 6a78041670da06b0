// Package differential asks the stock kubernetes plugin and isthmus the same
// questions about the same world, and holds that they say the same.
//
// A real API server holds a world of Services, EndpointSlices, namespaces and
// pods that changes from round to round. Two CoreDNS watch it, with Corefiles
// that differ in one word, and in *k8s_external* for the option external. After each round of changes both are first brought
// to the same state: the last write of each kind is a marker, and both must
// answer it. Then names of every shape are asked for every type, over UDP and
// TCP, with and without EDNS, in any spelling.
//
// Answers are compared as sets of records. What differs must be explained by
// exactly one row of one table, differences, which has one row for each
// decision that the plugin's manual lists; every row must have explained
// something by the end. SERVFAIL and silence are never equal to anything.
//
// A failure names the seed. The same seed makes the same world and the same
// questions:
//
//	go test ./integration/differential -seed 7 -answers 20000
package differential
