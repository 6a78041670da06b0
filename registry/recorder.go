package registry

import "time"

// Recorder takes note of the requests that a registry makes, for metrics. Its
// methods may be called from any goroutine and do not block. A host is as the
// configuration names it, with its port; a method is one of HTTP.
type Recorder interface {
	// Answered notes the status code of an answer, in digits, or "<error>"
	// where there was none.
	Answered(code, method, host string)
	// Took notes how long a request lasted until its answer was read. It is not
	// told of requests that last by intention, as a watch does.
	Took(method, host string, d time.Duration)
	// Waited notes how long a request was kept back by the registry's own limit.
	Waited(method, host string, d time.Duration)
}

// Recorded is a Registry that can tell a Recorder of its requests.
type Recorded interface {
	// Record says whom to tell from now on. It is called before Watch.
	Record(Recorder)
}
