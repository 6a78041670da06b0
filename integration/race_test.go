//go:build race

package integration

// raceFlags make the bridge tell of data races when the tests do.
func raceFlags() []string { return []string{"-race"} }
