package kubeobject

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// Labels and annotations of what a bridge writes.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by" // Managed
	LabelOwner     = "isthmus.dev/owner"            // the owner, or a hash where it is no label value

	SliceManagedBy = "isthmus.dev" // value of endpointslice.kubernetes.io/managed-by
	Managed        = "isthmus"     // value of LabelManagedBy

	// MetaTags is the one name of a service's metadata that is an annotation of
	// its own: the tags that its endpoints have, for people to see.
	MetaTags = "isthmus.dev/tags"

	annotationOwner     = "isthmus.dev/owner" // the owner where the label holds a hash
	annotationOf        = "isthmus.dev/of"
	annotationKey       = "isthmus.dev/key"
	annotationVia       = "isthmus.dev/via"
	annotationFormat    = "isthmus.dev/format"
	annotationMeta      = "isthmus.dev/meta"      // JSON object
	annotationEndpoints = "isthmus.dev/endpoints" // of a slice: JSON object, see extra
	annotationTTL       = "isthmus.dev/ttl"
	annotationWeight    = "isthmus.dev/weight"
)

// newerFormat stands for a format that cannot be read, so that nobody
// overwrites what carries it.
const newerFormat = catalog.MarkFormat + 1

// MarkOf returns the mark that svc carries: a bridge's, one of
// catalog.UnknownOwner on what another tool copied, or nil on a native one.
func MarkOf(svc *corev1.Service) *catalog.Mark {
	owner := ownerOf(svc.Labels, svc.Annotations)
	if owner == "" {
		if foreignCopy(svc) {
			return &catalog.Mark{Owner: catalog.UnknownOwner}
		}
		return nil
	}
	return markFrom(owner, svc.Annotations)
}

func markFrom(owner string, annotations map[string]string) *catalog.Mark {
	m := &catalog.Mark{Owner: owner, Of: catalog.Identity(annotations[annotationOf]), Format: newerFormat}
	m.Key, _ = catalog.ParseKey(annotations[annotationKey])
	m.Via = catalog.Identity(annotations[annotationVia])
	if n, err := strconv.Atoi(annotations[annotationFormat]); err == nil {
		m.Format = n
	}
	return m
}

// JoinOf returns the mark of a slice that a bridge put below a native Service,
// or nil: the slices of mirrors carry no key.
func JoinOf(slice *discoveryv1.EndpointSlice) *catalog.Mark {
	owner := ownerOf(slice.Labels, slice.Annotations)
	if owner == "" || slice.Annotations[annotationKey] == "" {
		return nil
	}
	m := markFrom(owner, slice.Annotations)
	m.Joins = true
	return m
}

// OwnsSlice reports whether owner's bridge wrote the slice.
func OwnsSlice(owner string, slice *discoveryv1.EndpointSlice) bool {
	return ownerOf(slice.Labels, slice.Annotations) == owner
}

// ownerOf returns the owner that labels and annotations name, or "". A label
// that names an owner without the word who manages it is a mark as well: only
// bridges write it, and what is half a mark is nobody's native service.
func ownerOf(labels, annotations map[string]string) string {
	label := labels[LabelOwner]
	if full := annotations[annotationOwner]; full != "" && label == ownerLabel(full) {
		return full
	}
	return label
}

// foreignCopy reports whether another tool made svc out of a service that
// stands elsewhere: consul-k8s, or an MCS controller.
func foreignCopy(svc *corev1.Service) bool {
	if svc.Labels["consul"] == "true" && svc.Spec.Type == corev1.ServiceTypeExternalName {
		return true
	}
	if svc.Labels["multicluster.kubernetes.io/service-name"] != "" || svc.Labels["multicluster.kubernetes.io/source-cluster"] != "" {
		return true
	}
	for _, ref := range svc.OwnerReferences {
		if ref.Kind == "ServiceImport" {
			return true
		}
	}
	return false
}

// ownerLabel is owner as a label value: itself, or a hash where it is none.
func ownerLabel(owner string) string {
	if len(validation.IsValidLabelValue(owner)) == 0 {
		return owner
	}
	sum := sha256.Sum256([]byte(owner))
	return "sha256-" + hex.EncodeToString(sum[:16])
}

// markObject writes m into labels and annotations, which it returns as copies.
func markObject(m *catalog.Mark) (labels, annotations map[string]string) {
	labels = map[string]string{LabelManagedBy: Managed, LabelOwner: ownerLabel(m.Owner)}
	annotations = map[string]string{}
	if labels[LabelOwner] != m.Owner {
		annotations[annotationOwner] = m.Owner
	}
	return labels, annotations
}

// markService adds what only the Service carries of m.
func markService(m *catalog.Mark) (labels, annotations map[string]string) {
	labels, annotations = markObject(m)
	maps.Copy(annotations, map[string]string{
		annotationOf:     string(m.Of),
		annotationKey:    m.Key.String(),
		annotationFormat: strconv.Itoa(m.Format),
	})
	if m.Via != "" {
		annotations[annotationVia] = string(m.Via)
	}
	return labels, annotations
}

// checkMark returns an error if a service with m cannot be written.
func checkMark(m *catalog.Mark) error {
	switch {
	case m == nil:
		return fmt.Errorf("no mark: %w", registry.ErrInvalid)
	case m.Owner == "" || m.Owner == catalog.UnknownOwner:
		return fmt.Errorf("owner %q: %w", m.Owner, registry.ErrInvalid)
	case m.Key.Namespace == "" || m.Key.Name == "":
		return fmt.Errorf("key %q in the mark: %w", m.Key, registry.ErrInvalid)
	}
	return nil
}
