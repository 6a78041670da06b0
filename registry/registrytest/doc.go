// Package registrytest is the conformance suite that every registry passes:
// memory in milliseconds, the others against the real server.
//
// A registry's test implements Place for one running server and calls Run.
// What the registry cannot do is declared there, as a list of abilities that
// it lacks; an ability that is neither implemented nor declared missing is a
// failure, so nothing is left out by accident.
//
//	func TestConformance(t *testing.T) {
//		server := start(t)
//		registrytest.Run(t, func(t *testing.T) registrytest.Place {
//			return newPlace(t, server) // a fresh prefix on the shared server
//		}, registrytest.Forgetting)
//	}
//
// A case sees the registry in two ways that must not be mixed up: through the
// Readers and Writers that it opens, which are what is tested, and through the
// Place's own methods, which act as the registry's users do, with a raw client
// on a connection of their own.
//
// Cases take the small interface T and not *testing.T, so that each can be run
// against a registry that is broken on purpose and be seen to fail.
package registrytest
