package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// errFiltered says that access rules left something out of an answer, so
// that what it lacks may well exist.
var errFiltered = errors.New("access rules left something out: the token must be able to read all services and nodes")

// whole returns an error if a list of services lacks the one that every
// server registers, so that others may be missing as well.
func whole(names map[string]bool) error {
	if !names[self] {
		return fmt.Errorf("consul: the list of services lacks %q itself: %w", "consul", errFiltered)
	}
	return nil
}

// anonymous is the secret of the token that is everybody's.
const anonymous = "anonymous"

// seesAll returns an error if Consul may have left something out of the
// answers before without saying so, as it does to those who have no token.
// They are asked for their rights; where access rules are off, all is seen.
func (c *client) seesAll(ctx context.Context) error {
	token, err := c.secret()
	if err != nil || token != "" && token != anonymous {
		return err
	}
	const path = "/v1/internal/acl/authorize"
	all, err := c.rights(ctx, path)
	var status *statusError
	switch {
	case errors.As(err, &status) && status.code == http.StatusUnauthorized && strings.Contains(status.text, "ACL support disabled"):
		return nil
	case err != nil:
		return fmt.Errorf("consul: without a token, ask %q what may be read: %w", path, err)
	}
	for _, right := range all {
		if !right.Allow {
			return fmt.Errorf("consul: without a token, not every %s may be read: %w", right.Resource, errFiltered)
		}
	}
	return nil
}

// right is one answer to what may be done.
type right struct {
	Resource string
	Allow    bool
}

// rights asks whether all services and nodes may be read.
func (c *client) rights(ctx context.Context, path string) ([]right, error) {
	body, err := json.Marshal([]map[string]string{
		{"Resource": "service", "Access": "read"},
		{"Resource": "node", "Access": "read"},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	resp, err := c.do(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var all []right
	if err := c.take(resp, &all); err != nil {
		return nil, err
	}
	if len(all) != 2 {
		return nil, fmt.Errorf("%d answers to 2 questions", len(all))
	}
	return all, nil
}
