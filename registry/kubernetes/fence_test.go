package kubernetes

import (
	"errors"
	"log/slog"
	"strconv"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	clientfake "k8s.io/client-go/kubernetes/fake"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry"
)

// TestFence holds what a writer says that finds its fence otherwise than it
// claimed it, and whether a claim without bump lets it go on.
func TestFence(t *testing.T) {
	const claimed = 3
	for _, tt := range []struct {
		name    string
		epoch   int64 // then; 0: the fence is deleted
		gone    bool  // rather than moved
		renewed int64 // epoch after the claim, which is refused if the fence moved
	}{
		{"deleted", 0, true, claimed + 1},
		{"an older one brought back", claimed - 1, true, claimed + 1},
		{"moved by a newer writer", claimed + 1, false, claimed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := clientfake.NewClientset()
			s := fencedAt(t, client, claimed)
			setFence(t, client, tt.epoch)
			m := testMirror(catalog.Key{Namespace: "a", Name: "web"}, 1)
			for what, do := range map[string]func() []registry.Result{
				"Put":    func() []registry.Result { return s.Put(t.Context(), []*catalog.Service{m}) },
				"Delete": func() []registry.Result { return s.Delete(t.Context(), []*catalog.Service{m}) },
			} {
				err := do()[0].Err
				if !errors.Is(err, registry.ErrFenced) || errors.Is(err, registry.ErrNoFence) != tt.gone {
					t.Errorf("%s = %v, want %v: %v", what, err, registry.ErrNoFence, tt.gone)
				}
			}
			if err := s.Claim(t.Context(), prodFence(), false); errors.Is(err, registry.ErrFenced) == tt.gone || s.fence.claimed() != tt.renewed {
				t.Errorf("Claim = %v at epoch %d, want epoch %d", err, s.fence.claimed(), tt.renewed)
			}
			if err := s.checkFence(t.Context()); (err == nil) != tt.gone {
				t.Errorf("after Claim: %v", err)
			}
		})
	}
}

func prodFence() registry.Fence {
	return registry.Fence{Owner: "prod", Sources: []catalog.Identity{"consul:dc1"}}
}

// fencedAt is a writer for "prod" that claimed its fence until epoch.
func fencedAt(t *testing.T, client kubernetes.Interface, epoch int64) *server {
	t.Helper()
	s := &server{conf: &config{fenceNamespace: "default"}, owner: "prod", client: client, log: slog.New(slog.DiscardHandler)}
	for s.fence.claimed() < epoch {
		if err := s.Claim(t.Context(), prodFence(), true); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func setFence(t *testing.T, client kubernetes.Interface, epoch int64) {
	t.Helper()
	all := client.CoreV1().ConfigMaps("default")
	found, err := all.Get(t.Context(), "isthmus-fence-prod", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if epoch == 0 {
		err = all.Delete(t.Context(), found.Name, metav1.DeleteOptions{})
	} else {
		found.Data[fenceEpoch] = strconv.FormatInt(epoch, 10)
		_, err = all.Update(t.Context(), found, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}
