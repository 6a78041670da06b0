package catalog

// What a registry's own users tell a bridge about one of their services stands
// in the Meta of the native service, if whoever opened the registry asked for it:
// annotations under their full names, and the notes below. No annotation's name
// ends a part by a colon, so none is taken for a note.
const (
	NoteLabel    = "label:"    // and a label's name: its value
	NoteType     = "type:"     // how a Kubernetes Service is exposed, if at all: "NodePort" or "LoadBalancer"
	NoteNodePort = "nodeport:" // and a port's name: the port's number on each node
	NoteFirst    = "first:"    // the name of a Service's first port, where its ports are sorted otherwise
	NoteBalancer = "balancer:" // the load balancer's addresses and names, with a space between two
	NoteExport   = "export:"   // ExportWanted if its users export it, ExportUnknown while nobody can tell; else absent
)

// What a NoteExport says.
const (
	ExportWanted  = "wanted"
	ExportUnknown = "unknown"
)

// NodeExternal is the entry in a Node's Meta that holds the address by which
// it is reached from outside, where it has one.
const NodeExternal = "external"

// MetaMainPort is the entry in a mirror's Meta that names the port which comes
// first for readers who know of one only.
const MetaMainPort = "isthmus.dev/port"
