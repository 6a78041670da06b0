package consul

import (
	"encoding/json"
	"testing"

	"github.com/isthmus-dns/isthmus/catalog"
	"github.com/isthmus-dns/isthmus/registry/registrytest/hostile"
)

// TestHostileHosts holds that no host is taken that no answer can hold.
func TestHostileHosts(t *testing.T) {
	for _, host := range hostile.Hosts() {
		var text string
		if err := json.Unmarshal([]byte(`"`+host+`"`), &text); err != nil {
			t.Fatal(err)
		}
		if checkHost(catalog.ParseHost(text)) == nil {
			t.Errorf("%.80q is taken", text)
		}
	}
}
