package registry

// Granter is a Config that can say which rights its registry has to grant.
type Granter interface {
	Config
	// Rights returns the least rights with which the registry can be used as u
	// says, as an administrator writes them. It does no I/O, and holds no secret.
	Rights(u Use) Rights
}

// Use is what a bridge does with a registry.
type Use struct {
	Owner   string   // its name
	Reads   bool     // it watches services, and what else the Config was told of by Detailed
	Mirrors []Naming // how mirrors that it writes are called; none: it writes none. An empty Name is any.
	Makes   bool     // it makes namespaces for them
	Tells   bool     // it tells the owners of services, where the registry has a place for that
	Elects  bool     // it elects a leader
	Place   string   // where; as an Elector's
}

// Rights are what a registry has to grant.
type Rights struct {
	Form string `json:"form"` // what Text is written in
	Text string `json:"text"`
}
