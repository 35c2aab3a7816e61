// Sample is what the sample workloads run on kind: a program that does nothing until it is told to stop.
//
// It needs no image from anywhere: it is linked statically and put into an image of its own, alone (see Dockerfile).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "healthy" { // what the liveness probe of liveness-exec runs
		return
	}
	// As process 1 it would not even see a signal that it does not ask for, and every pod would take the full grace
	// period of 30 seconds to go.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	fmt.Println("running, until a signal comes")
	<-ctx.Done()
	fmt.Println("stopped")
}
