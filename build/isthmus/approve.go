package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge"
)

func approveCommand() *cobra.Command {
	var bridgeAt running
	cmd := &cobra.Command{
		Use:   "approve RULE {-conf FILE | -admin ADDRESS}",
		Short: "Let go the deletions that a rule's delete_limit holds",
		Long: `Let go the deletions that a rule's delete_limit holds in a running bridge.

RULE is FROM:TO, as "isthmus status" prints it, with what is held. What is held at
this moment goes; what the limit holds later waits for another approval.

Exit status: 0 approved, 1 an error, such as nothing that is held.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := bridgeAt.ask(cmd.Context(), http.MethodPost, "/approve", url.Values{"rule": args})
			if err != nil {
				return err
			}
			var a bridge.Approval
			if err := json.Unmarshal(body, &a); err != nil {
				return fmt.Errorf("read the bridge's answer: %w", err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d approved\n", a.Rule, a.Approved)
			return err
		},
	}
	bridgeAt.flags(cmd)
	return cmd
}
