package chapter

import (
	"fmt"
	"strings"
)

// Guard says whether a step may write to the cluster behind a context: nobody should lose anything in a production
// cluster to a tutorial. contextName is the context in use, empty in a pod; named says that the user chose it with
// -context. Contexts of the lab's own cluster ("lab") and of kind ("kind-...") are always fine. The error is one line.
func Guard(contextName string, named bool) error {
	switch {
	case named, contextName == "lab", strings.HasPrefix(contextName, "kind-"):
		return nil
	case contextName == "":
		return fmt.Errorf(`this step writes to the cluster, and there is no context to tell which one it is: ` +
			`name one with -context, or start a cluster to play with: go run ./lab up`)
	}
	return fmt.Errorf(`this step writes to the cluster, and the current context %q is neither "lab" nor "kind-...": `+
		`if you mean it, say -context %s; if not, start a cluster to play with: go run ./lab up`, contextName, contextName)
}
