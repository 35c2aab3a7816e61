// Vetown is vet for a module with very many dependencies: go vet also runs it for each of those, to learn which of their
// functions are like Printf, and there it does nothing. For localcluster, which imports all of Kubernetes, that is 2,500
// packages, and minutes.
//
//	go build -C tools -o /tmp/vetown ./vetown && go vet -C localcluster -vettool=/tmp/vetown ./...
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

func main() {
	err := run(os.Args[1:])
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode()) // vet has said why
	case err != nil:
		fmt.Fprintln(os.Stderr, "vetown:", err)
		os.Exit(1)
	}
}

// run does what cmd/go asks of its vet tool; see `go doc golang.org/x/tools/go/analysis/unitchecker`.
func run(args []string) error {
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	switch {
	case last == "-V=full": // part of the key of go's cache: what is known here of dependencies must not be taken for vet's
		fmt.Println("vetown version", runtime.Version())
		return nil
	case strings.HasSuffix(last, ".cfg"):
		data, err := os.ReadFile(last)
		if err != nil {
			return err
		}
		var config struct {
			VetxOnly   bool   // a dependency
			VetxOutput string // the file for what was learned about it
		}
		if err := json.Unmarshal(data, &config); err != nil {
			return fmt.Errorf("%s: %w", last, err)
		}
		if config.VetxOnly {
			return os.WriteFile(config.VetxOutput, nil, 0o666)
		}
	}
	vet := exec.Command("go", append([]string{"tool", "vet"}, args...)...)
	vet.Stdin, vet.Stdout, vet.Stderr = os.Stdin, os.Stdout, os.Stderr
	return vet.Run()
}
