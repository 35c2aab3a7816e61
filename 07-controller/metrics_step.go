package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"k8s.io/client-go/rest"

	"client-go-lab/07-controller/controller"
)

// alerts shows the lines of /metrics that are worth an alert. A server that fails three times moves them.
func alerts(ctx context.Context, l *lesson) error {
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	failing := &failures{path: "/services/shop"}
	return l.while(ctx, failing.through(l.config), func(o *options) { o.listen = address }, func(ctx context.Context) error {
		if err := l.until(ctx, "the controller is ready", func(ctx context.Context) (bool, error) {
			code, _, err := get(ctx, address, "/readyz")
			return err == nil && code == http.StatusOK, nil // not even listening yet
		}); err != nil {
			return err
		}
		for _, path := range []string{"/healthz", "/readyz"} {
			code, body, err := get(ctx, address, path)
			if err != nil {
				return err
			}
			l.say("GET %s: %d %s", path, code, strings.TrimSpace(body))
		}
		before, err := scrape(ctx, address)
		if err != nil {
			return err
		}

		failing.left.Store(3)
		l.say("-- a Website is created, and the server fails three times when its Service is applied")
		if _, err := l.create(ctx, "shop", "shop.example.com", nil); err != nil {
			return err
		}
		if _, err := l.untilReady(ctx, "shop", controller.ReasonAvailable); err != nil {
			return err
		}
		var after string
		// Not until it is 0: in this process there may have been other controllers, whose queues were dropped with keys in them.
		if err := l.until(ctx, "the queue is as short as before", func(ctx context.Context) (bool, error) {
			after, err = scrape(ctx, address)
			return sample(after, "workqueue_depth", `name="websites"`) <= sample(before, "workqueue_depth", `name="websites"`), err
		}); err != nil {
			return err
		}

		l.say("-- what it is now")
		l.say("leader_election_master_status{name=%q} %g", leaseName, sample(after, "leader_election_master_status", fmt.Sprintf("name=%q", leaseName)))
		l.say("    1 at the leader, 0 at the others: the sum must be 1")
		l.say("workqueue_depth{name=\"websites\"} as before")
		l.say("    keys that wait: if it grows at the leader, there are too few workers, or too few requests a second")
		l.say("-- how much it has grown")
		for _, counter := range []struct{ name, label, tells string }{
			{"website_reconcile_total", `result="error"`, "reconciles that failed: the log says why"},
			{"workqueue_retries_total", `name="websites"`, "keys that came back, after errors and after conflicts"},
			{"rest_client_requests_total", `code="500",*method="PATCH"`, "what the server answered: 5xx and 429 it is the server, 403 it is the Role"},
			{"workqueue_work_duration_seconds_count", `name="websites"`, "reconciles; with _sum and _bucket, how long they take"},
		} {
			grown := sample(after, counter.name, counter.label) - sample(before, counter.name, counter.label)
			l.say("%s{%s} %s\n    %s", counter.name, strings.ReplaceAll(counter.label, "*", ""), least(grown, 3), counter.tells)
		}
		return nil
	})
}

// least says by how much a counter has grown, where more than that may be by chance.
func least(grown, least float64) string {
	if grown < least {
		return fmt.Sprintf("+%g, which is less than %g", grown, least)
	}
	return fmt.Sprintf("+%g or more", least)
}

// scrape reads /metrics, as Prometheus does.
func scrape(ctx context.Context, address string) (string, error) {
	code, body, err := get(ctx, address, "/metrics")
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("GET /metrics: %d", code)
	}
	return body, err
}

// sample sums the samples of a metric that have some labels. "*" in labels stands for others.
func sample(text, name, labels string) (sum float64) {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(labels), `\*`, `.*`)
	for _, match := range regexp.MustCompile(`(?m)^`+name+`\{[^}]*`+pattern+`[^}]*\} (\S+)$`).FindAllStringSubmatch(text, -1) {
		value, err := strconv.ParseFloat(match[1], 64)
		if err == nil { // Prometheus's text has nothing else
			sum += value
		}
	}
	return sum
}

func get(ctx context.Context, address, path string) (code int, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// freeAddress finds a port that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// failures answers some requests as a server does that is in trouble.
type failures struct {
	path string // the end of the path of what is to fail
	left atomic.Int32
}

func (f *failures) through(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Method == http.MethodPatch && strings.HasSuffix(request.URL.Path, f.path) && f.left.Add(-1) >= 0 {
				if request.Body != nil {
					request.Body.Close()
				}
				return &http.Response{
					StatusCode: http.StatusInternalServerError, Status: "500 Internal Server Error", Request: request,
					Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(bytes.NewBufferString("not today")),
				}, nil
			}
			return next.RoundTrip(request)
		})
	})
	return config
}
