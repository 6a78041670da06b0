package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"

	"github.com/isthmus-dns/isthmus/registry"
)

// How many Events are written in all. One Service gets 25 at once and then one
// in five minutes, by client-go's own measure, which also counts the same one up in
// place of writing it again and joins those that differ in their text alone.
const (
	eventsPerSecond = 5
	eventsAtOnce    = 50
	eventsFrom      = "isthmus" // the component that they come from
)

// events writes Events about Services.
type events struct {
	server     *server
	correlator *record.EventCorrelator
	pace       *rate.Limiter
	failing    bool // and said so
}

// Tell writes Events. It reads each Service first, since an Event names the
// object's UID: without that, "kubectl describe" does not show it.
func (s *server) Tell(ctx context.Context, notices <-chan registry.Notice) {
	e := events{
		server:     s,
		correlator: record.NewEventCorrelatorWithOptions(record.CorrelatorOptions{}),
		pace:       rate.NewLimiter(eventsPerSecond, eventsAtOnce),
	}
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-notices:
			if e.pace.Wait(ctx) == nil {
				e.said(ctx, e.tell(ctx, n))
			}
		}
	}
}

// said logs that Events cannot be written, once, and when they can be again.
func (e *events) said(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !e.failing:
		e.server.log.Warn("no Events can be written on Services", "error", err)
		e.failing = true
	case err == nil && e.failing:
		e.server.log.Info("Events can be written on Services")
		e.failing = false
	}
}

func (e *events) tell(ctx context.Context, n registry.Notice) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	svc, err := e.server.client.CoreV1().Services(n.Key.Namespace).Get(ctx, n.Key.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil // nobody is there to be told
	}
	if err != nil {
		return fmt.Errorf("read service %q: %w", n.Key, err)
	}
	result, err := e.correlator.EventCorrelate(newEvent(svc, n, time.Now()))
	if err != nil || result.Skip {
		return err
	}
	written, err := e.write(ctx, result.Event, result.Patch)
	if err != nil {
		return fmt.Errorf("write an event on service %q: %w", n.Key, err)
	}
	e.correlator.UpdateState(written)
	return nil
}

// write counts up an Event that is there, or creates one.
func (e *events) write(ctx context.Context, event *corev1.Event, patch []byte) (*corev1.Event, error) {
	client := e.server.client.CoreV1().Events(event.Namespace)
	if event.Count > 1 {
		written, err := client.Patch(ctx, event.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			return written, err
		}
		event.ResourceVersion, event.Count = "", 1 // it grew too old
	}
	return client.Create(ctx, event, metav1.CreateOptions{})
}

func newEvent(svc *corev1.Service, n registry.Notice, now time.Time) *corev1.Event {
	at := metav1.NewTime(now)
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: svc.Namespace, Name: fmt.Sprintf("%s.%x", svc.Name, now.UnixNano())},
		InvolvedObject: corev1.ObjectReference{
			Kind: "Service", APIVersion: "v1", Namespace: svc.Namespace, Name: svc.Name, UID: svc.UID, ResourceVersion: svc.ResourceVersion,
		},
		Type: corev1.EventTypeWarning, Reason: string(n.Reason), Message: cut(n.Text),
		Source: corev1.EventSource{Component: eventsFrom}, ReportingController: eventsFrom,
		FirstTimestamp: at, LastTimestamp: at, Count: 1,
	}
}

// maxMessage is what the newer API of Events takes of a message.
const maxMessage = 1024

// cut leaves out what is too much for a message.
func cut(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	const dots = "..."
	return strings.ToValidUTF8(text[:maxMessage-len(dots)], "") + dots
}
