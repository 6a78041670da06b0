package kubernetes

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"

	"github.com/isthmus-dns/isthmus/catalog"
)

// export is what is kept of a ServiceExport: that it is there.
type export struct{ id }

func (k keeper) export(o *metav1.PartialObjectMetadata) *export { return &export{idOf(o, k.texts)} }

// lookAgain is when exports that could not be read are looked for again.
const lookAgain = 5 * time.Second

// exportSources are what is watched of exports: nothing unless asked for.
func (s *server) exportSources(v *view, listed func() func()) []source {
	if !s.conf.details.Exports {
		return nil
	}
	var all []source
	for _, ns := range s.watched() {
		all = append(all, s.exports(v, ns, listed()))
	}
	return all
}

// exports is the source of one namespace's, or of all. Where they may not be
// read, or nobody defined what they are, it is empty and v knows; that is no
// condition for anything else.
func (s *server) exports(v *view, ns string, listed func()) source {
	versions := &exportVersions{of: func(version string) metadata.ResourceInterface {
		return s.metadata.Resource(exportsOf(version)).Namespace(ns)
	}}
	client := &optional[*metav1.PartialObjectMetadataList]{
		list: versions.list, watch: versions.watch,
		none:    func() *metav1.PartialObjectMetadataList { return &metav1.PartialObjectMetadataList{} },
		refused: func(err error) { v.unreadable(ns, undefined(err)) },
		again:   lookAgain,
	}
	none := func(*metav1.ListOptions) {}
	src := selected(in("serviceexports", ns), &metav1.PartialObjectMetadata{}, client, none)
	src.heads = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return versions.list(ctx, o) }
	src.past = v.newPast()
	within := func(name types.NamespacedName) bool { return ns == "" || name.Namespace == ns }
	read := func() {
		if client.reads.Load() {
			v.readable(ns)
		}
		listed()
	}
	src.into = &scope[*export]{v.exports, keeping(v.exports, v.keeper.export), within, read, src.past}
	return src
}

func exportsOf(version string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: mcs.GroupName, Version: version, Resource: mcs.ServiceExportPluralName}
}

// exportVersions reads the names of exports in whichever version they are served.
type exportVersions struct {
	of    func(version string) metadata.ResourceInterface
	newer atomic.Bool // they were found in the newer version
}

func (e *exportVersions) version() string {
	if e.newer.Load() {
		return "v1beta1"
	}
	return "v1alpha1"
}

// list lists them, in the other version if they are not in the one.
func (e *exportVersions) list(ctx context.Context, o metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	all, err := e.of(e.version()).List(ctx, o)
	if apierrors.IsNotFound(err) {
		e.newer.Store(!e.newer.Load())
		all, err = e.of(e.version()).List(ctx, o)
	}
	return all, err
}

func (e *exportVersions) watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return e.of(e.version()).Watch(ctx, o)
}

// unreadable notes that the exports of a namespace, or of all, cannot be read.
func (v *view) unreadable(ns string, err error) {
	if v.setUnread(ns, true) {
		v.log.Warn("which services are exported is not known: grant list and watch on serviceexports where they are defined", "err", cause(err))
	}
}

// readable notes that what is held of a namespace's exports is all of them.
func (v *view) readable(ns string) {
	if v.setUnread(ns, false) {
		v.log.Info("which services are exported is known")
	}
}

// setUnread has all services of the namespace built anew if that is news.
func (v *view) setUnread(ns string, unread bool) bool {
	v.dirtyMu.Lock()
	changed := v.unread[ns] != unread
	v.unread[ns] = unread
	v.dirtyMu.Unlock()
	if !changed {
		return false
	}
	for _, name := range v.services.names() {
		if ns == "" || name.Namespace == ns {
			v.noteService(name)
		}
	}
	return true
}

// exported is what a Service's notes say of its export; "" for nothing.
func (v *view) exported(name types.NamespacedName) string {
	if !v.keeper.details.Exports {
		return ""
	}
	v.dirtyMu.Lock()
	unread := v.unread[""] || v.unread[name.Namespace]
	v.dirtyMu.Unlock()
	switch {
	case unread:
		return catalog.ExportUnknown
	case v.exports.get(name) != nil:
		return catalog.ExportWanted
	}
	return ""
}

// notesOf are the notes of a Service, with what its export says.
func (v *view) notesOf(svc *service) map[string]string {
	said := v.exported(svc.name)
	if said == "" {
		return svc.notes
	}
	notes := make(map[string]string, len(svc.notes)+1)
	maps.Copy(notes, svc.notes)
	notes[catalog.NoteExport] = said
	return notes
}
