package servers

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
)

// User is who may talk to an API server, with a token of his own. What he may do follows from RBAC: a user without groups may
// read public information only, until a binding says more.
type User struct {
	Name   string   // a DNS label: it also names his kubeconfig
	Groups []string // `system:masters` may do everything
}

// Admin is the user of Kubernetes.Token and Kubernetes.Kubeconfig.
const Admin = "admin"

// standardUsers are there on every API server: an administrator, and the two identities of Isthmus, which hold no rights yet.
func standardUsers() []User {
	return []User{
		{Name: Admin, Groups: []string{"system:masters"}},
		{Name: "isthmus-dns"},
		{Name: "isthmus-bridge"},
	}
}

// writeUsers gives every user a new token and a kubeconfig for url, and returns the tokens by name.
func (p pki) writeUsers(url string, users []User) (map[string]string, error) {
	ca, err := os.ReadFile(p.caFile())
	if err != nil {
		return nil, err
	}
	tokens := make(map[string]string)
	var table strings.Builder
	for _, u := range users {
		if tokens[u.Name] != "" {
			return nil, fmt.Errorf("user %q is there twice", u.Name)
		}
		token := rand.Text()
		tokens[u.Name] = token
		fmt.Fprintf(&table, "%s,%s,%s,%q\n", token, u.Name, u.Name, strings.Join(u.Groups, ","))
		if err := os.WriteFile(p.kubeconfig(u.Name), kubeconfig(url, u.Name, token, ca), 0o600); err != nil {
			return nil, err
		}
	}
	return tokens, os.WriteFile(p.tokenFile(), []byte(table.String()), 0o600)
}

func kubeconfig(url, user, token string, ca []byte) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: isthmus
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    token: %s
contexts:
- name: isthmus
  context:
    cluster: isthmus
    user: %[3]s
current-context: isthmus
`, url, base64.StdEncoding.EncodeToString(ca), user, token)
}
