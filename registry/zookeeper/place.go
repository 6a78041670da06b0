package zookeeper

import "strings"

// role is what a node is read for.
type role int

const (
	nothing role = iota // it is not read
	folder              // what is below it
	entry               // what it holds, and if that is no instance, what is below it
	sidecar             // what it holds: the side node of a mirror
)

// roots are the nodes below which all that is read stands. They need not be there.
func (l layout) roots() []string { return []string{l.path, l.sides()} }

func (l layout) isRoot(path string) bool { return path == l.path || path == l.sides() }

// role returns what a node at or below a root is read for.
func (l layout) role(path string) role {
	if l.isRoot(path) {
		return folder
	}
	if strings.HasPrefix(path, l.path+"/") {
		return entry
	}
	below := strings.Split(strings.TrimPrefix(path, l.sides()+"/"), "/")
	switch {
	case len(below) == 1, len(below) == 2 && below[1] == "mirrors":
		return folder
	case len(below) == 3 && below[1] == "mirrors":
		return sidecar
	}
	return nothing
}

// about returns the name of the service that the answer to a question is part of.
func (l layout) about(q question) string {
	switch role := l.role(q.path); {
	case role == sidecar:
		name, _ := unescape(q.path[strings.LastIndexByte(q.path, '/')+1:])
		return name
	case role == entry && q.list:
		return l.name(q.path)
	case role == entry:
		return l.name(parent(q.path))
	}
	return ""
}

// name is that of the service whose instances stand below a node.
func (l layout) name(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, l.path), "/")
}

// folder is the node below which the instances of a service stand.
func (l layout) folder(name string) string {
	if name == "" {
		return l.path
	}
	return l.path + "/" + name
}

func parent(path string) string { return path[:strings.LastIndexByte(path, '/')] }
