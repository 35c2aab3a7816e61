package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Providers of a cluster.
const (
	providerLocal = "local" // built from source and run on this machine: what all other commands are about
	providerKind  = "kind"  // the cluster of kind-config.yaml, in Docker: the scripts' business
)

// withKind gives cmd the flag --provider, and with --provider kind makes it run a script. kindFlags are those of cmd's
// flags that are for kind; the others are for the embedded cluster.
func (a *app) withKind(cmd *cobra.Command, script string, kindFlags ...string) *cobra.Command {
	cmd.Flags().String("provider", providerLocal, "local, or kind: scripts/"+script+", which needs Docker")
	local := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		provider := cmd.Flag("provider").Value.String()
		if provider != providerLocal && provider != providerKind {
			return usageError{fmt.Errorf("there is no provider %q; the providers are: %s, %s", provider, providerLocal, providerKind)}
		}
		var wrong []string
		cmd.Flags().Visit(func(f *pflag.Flag) {
			if f.Name != "provider" && slices.Contains(kindFlags, f.Name) != (provider == providerKind) {
				wrong = append(wrong, "--"+f.Name)
			}
		})
		switch {
		case len(wrong) > 0:
			return usageError{fmt.Errorf("%s cannot go with --provider %s; see: go run ./%s --help", strings.Join(wrong, " and "), provider, cmd.CommandPath())}
		case provider == providerLocal:
			return local(cmd, args)
		}
		// lab becomes the script, so that Ctrl-C is the script's alone: it takes back what it has begun.
		return replaceProcess(filepath.Join(a.root, "scripts", script), passed(cmd, "")[1:], os.Environ())
	}
	return cmd
}
