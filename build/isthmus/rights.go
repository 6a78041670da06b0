package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/isthmus-dns/isthmus/bridge"
	"github.com/isthmus-dns/isthmus/registry/all"
)

func rightsCommand() *cobra.Command {
	var file, output string
	cmd := &cobra.Command{
		Use:   "rights -conf FILE",
		Short: "Print the least rights that a bridge with the file wants",
		Long: `Print the least rights that a bridge with the file wants, in each registry: a policy
for Consul, commands that make a role for etcd, lines for zkCli.sh that make nodes for
ZooKeeper, a ClusterRole and Roles for Kubernetes, which still have to be bound. No
registry is asked.

Exit status: 0 printed, 1 an error.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if file == "" {
				return errors.New("which file? want -conf FILE")
			}
			conf, err := bridge.Load(file, all.Types(), os.Getenv)
			if err != nil {
				return err
			}
			rights := conf.Rights()
			if output == "json" {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				return enc.Encode(rights)
			}
			var b strings.Builder
			for i, r := range rights {
				if i > 0 {
					b.WriteByte('\n')
				}
				fmt.Fprintf(&b, "# %s: %s\n%s", r.Origin, r.Form, r.Text)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), b.String())
			return err
		},
	}
	confFlag(cmd, &file)
	outputFlag(cmd, &output)
	return cmd
}
