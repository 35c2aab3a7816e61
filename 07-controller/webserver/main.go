// Webserver shows the one page of a Website. It knows nothing about Kubernetes: the page is a file, which the kubelet puts
// there from the ConfigMap that the controller keeps.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// drainLimit is how long requests under way may take after SIGTERM. It is shorter than a pod's grace period, 30 s.
const drainLimit = 10 * time.Second

func main() {
	dir := flag.String("dir", ".", "the directory with index.html or index.txt")
	listen := flag.String("listen", ":8080", "the address to listen on")
	flag.Parse()
	// The first process of a container is not ended by a signal that it does not ask for.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *dir, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "webserver:", err)
		os.Exit(1)
	}
}

// run serves the page until ctx ends.
func run(ctx context.Context, dir, listen string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	return serve(ctx, listener, site(root.FS()))
}

// serve answers until ctx ends, then lets the requests under way finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
	}
	drained := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		drained <- server.Shutdown(ctx)
	})
	// Serve returns as soon as Shutdown begins. The program must not: it would cut the requests off.
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return <-drained
}

// pages are the files that may hold the page, and what they are. Said here, because Go knows .txt only from a file of the
// system's, which an image FROM scratch does not have. It would look at the first bytes, and take a text that begins with
// "<html>" for HTML.
var pages = []struct{ name, contentType string }{
	{"index.html", "text/html; charset=utf-8"},
	{"index.txt", "text/plain; charset=utf-8"},
}

// site answers a request for / with the page, and anything else with 404. It opens the file for each request: when the
// ConfigMap changes, the kubelet replaces the whole directory behind the symbolic link ..data.
func site(files fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, request *http.Request) {
		for _, page := range pages {
			content, err := fs.ReadFile(files, page.name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				http.Error(w, "the page cannot be read", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", page.contentType)
			w.Header().Set("X-Content-Type-Options", "nosniff") // browsers guess, too
			w.Write(content)
			return
		}
		http.NotFound(w, request)
	})
	return mux
}
