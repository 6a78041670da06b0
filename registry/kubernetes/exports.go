package kubernetes

import (
	"context"
	"errors"
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

// errUnread is said of exports that cannot be read now. It is no fault of the
// connection, and is told in the view's log and in each Service's notes.
var errUnread = errors.New("exports cannot be read")

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
	client := &exportClient{
		of: func(version string) metadata.ResourceInterface {
			return s.metadata.Resource(exportsOf(version)).Namespace(ns)
		},
		refused: func(err error) { v.unreadable(ns, err) },
	}
	none := func(*metav1.ListOptions) {}
	src := selected(in("serviceexports", ns), &metav1.PartialObjectMetadata{}, client, none)
	src.heads = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return client.ask(ctx, o) }
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

// exportClient reads the names of exports in whichever version they are served.
type exportClient struct {
	of      func(version string) metadata.ResourceInterface
	refused func(error)
	newer   atomic.Bool // they were found in the newer version
	reads   atomic.Bool // the newest answer held them
}

func (c *exportClient) version() string {
	if c.newer.Load() {
		return "v1beta1"
	}
	return "v1alpha1"
}

// ask lists them, in the other version if they are not in the one.
func (c *exportClient) ask(ctx context.Context, o metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	all, err := c.of(c.version()).List(ctx, o)
	if apierrors.IsNotFound(err) {
		c.newer.Store(!c.newer.Load())
		all, err = c.of(c.version()).List(ctx, o)
	}
	return all, err
}

// List returns an empty list where they cannot be read.
func (c *exportClient) List(ctx context.Context, o metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	all, err := c.ask(ctx, o)
	if c.cannot(err) {
		return &metav1.PartialObjectMetadataList{}, nil
	}
	return all, err
}

// Watch waits where they cannot be read, and then has them listed, as it does
// where they could not be read just before. Who asks for initial events lists
// next.
func (c *exportClient) Watch(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	listed := c.reads.Load() || o.SendInitialEvents != nil
	w, err := c.of(c.version()).Watch(ctx, o)
	switch {
	case !c.cannot(err) && (listed || err != nil):
		return w, err
	case err == nil:
		w.Stop()
		return nil, apierrors.NewResourceExpired("exports are readable by now")
	case o.SendInitialEvents != nil:
		return nil, errUnread
	case pause(ctx, lookAgain):
		return nil, apierrors.NewResourceExpired("exports may be readable now")
	}
	return nil, ctx.Err()
}

// cannot reports whether an answer means that they cannot be read, and says so.
func (c *exportClient) cannot(err error) bool {
	switch {
	case err == nil:
		c.reads.Store(true)
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		c.reads.Store(false)
		c.refused(undefined(err))
		return true
	}
	return false
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
