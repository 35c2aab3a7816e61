// Sample is what the sample workloads run on kind: a program that does nothing much until it is told to stop.
// A page on port 8080 says that it is there. Under the names echo, cat and false it is those commands, for lessons that
// run something in a pod.
//
// It needs no image from anywhere: it is linked statically and put into an image of its own, alone (see Dockerfile).
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch filepath.Base(os.Args[0]) { // the Dockerfile has links of these names
	case "echo":
		fmt.Println(strings.Join(os.Args[1:], " "))
		return
	case "cat":
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			os.Exit(1)
		}
		return
	case "false":
		os.Exit(1)
	}
	if len(os.Args) > 1 && os.Args[1] == "healthy" { // what the liveness probe of liveness-exec runs
		return
	}
	// As process 1 it would not even see a signal that it does not ask for, and every pod would take the full grace
	// period of 30 seconds to go.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(hello)}
	if listener, err := net.Listen("tcp", ":8080"); err == nil { // not in a second container of the same pod
		go func() { _ = server.Serve(listener) }()
	}
	fmt.Println("running, until a signal comes")
	<-ctx.Done()
	fmt.Println("stopped")
}

func hello(w http.ResponseWriter, _ *http.Request) {
	name, err := os.Hostname() // the pod's name
	if err != nil {
		name = "somebody"
	}
	_, _ = fmt.Fprintf(w, "hello from %s\n", name)
}
