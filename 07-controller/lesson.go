package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/metrics/legacyregistry"

	"client-go-lab/07-controller/api/v1alpha1"
	"client-go-lab/07-controller/controller"
	"client-go-lab/internal/chapter"
)

// lesson is what the steps stand on: a cluster that knows Websites, clients for whoever uses it, and the real controller, to
// be started and stopped.
type lesson struct {
	config  *rest.Config
	kube    kubernetes.Interface
	dynamic dynamic.Interface
	client  *controller.Client
	out     io.Writer

	made map[string]string // the lesson's Websites: names by UID
}

// note remembers a Website, to clean up after it, also when it is gone by then.
func (l *lesson) note(website *v1alpha1.Website) {
	if l.made == nil {
		l.made = map[string]string{}
	}
	l.made[string(website.UID)] = website.Name
}

// lessonStep is a step that looks at what the controller does.
type lessonStep = func(ctx context.Context, l *lesson) error

// runLesson makes a step of it: past the guard, in the lab's namespace.
func runLesson(step lessonStep) chapter.RunFunc {
	return func(ctx context.Context, flags chapter.Flags, out io.Writer) error {
		conn, err := connect(flags)
		if err != nil {
			return err
		}
		if err := chapter.Guard(conn.context, flags.Context != ""); err != nil {
			return err
		}
		l := &lesson{config: conn.config, out: out}
		var err1, err2, err3 error
		l.kube, err1 = kubernetes.NewForConfig(conn.config)
		l.dynamic, err2 = dynamic.NewForConfig(conn.config)
		l.client, err3 = controller.NewClient(conn.config)
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Errorf("make the clients: %w", err)
		}
		return conn.explain(l.inLab(ctx, func() error { return step(ctx, l) }))
	}
}

func (l *lesson) say(format string, args ...any) { fmt.Fprintf(l.out, format+"\n", args...) }

// while runs the controller, as the step "controller" does, for as long as during takes. during's context ends when the
// controller does. The lease is a long one: a lesson about something else should not end because a busy machine, or a laptop
// that slept, was silent for ten seconds.
func (l *lesson) while(ctx context.Context, config *rest.Config, change func(*options), during func(context.Context) error) error {
	o := options{
		workers: 4, qps: 50, burst: 100, lease: time.Minute,
		system: labNamespace, image: defaultImage, listen: "127.0.0.1:0",
	}
	if change != nil {
		change(&o)
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	during2, failed := context.WithCancelCause(ctx)
	defer failed(nil)
	ended := make(chan error, 1)
	go func() {
		err := run(running, config, o)
		if err != nil {
			failed(fmt.Errorf("the controller has ended: %w", err))
		}
		ended <- err
	}()
	err := during(during2)
	if err != nil && ctx.Err() == nil && context.Cause(during2) != nil {
		return context.Cause(during2)
	}
	stop()
	return errors.Join(err, <-ended)
}

// until waits until something holds.
func (l *lesson) until(ctx context.Context, what string, holds func(context.Context) (bool, error)) error {
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true, holds)
	if wait.Interrupted(err) && ctx.Err() == nil {
		return fmt.Errorf("waited a minute until %s: it is not so", what)
	}
	if err != nil {
		return fmt.Errorf("wait until %s: %w", what, err)
	}
	return nil
}

// create creates a Website of the lesson's, as a user would.
func (l *lesson) create(ctx context.Context, name, host string, change func(*v1alpha1.WebsiteSpec)) (*v1alpha1.Website, error) {
	website := &v1alpha1.Website{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()},
		Spec:       v1alpha1.WebsiteSpec{Host: host, HTML: "<h1>Open</h1>"},
	}
	if change != nil {
		change(&website.Spec)
	}
	website, err := l.client.Websites(labNamespace).Create(ctx, website, metav1.CreateOptions{FieldManager: "user"})
	if err != nil {
		return nil, fmt.Errorf("create the Website %s: %w", name, err)
	}
	l.note(website)
	return website, nil
}

// change merges some JSON into a Website, as kubectl patch --type=merge would.
func (l *lesson) change(ctx context.Context, name, patch string) error {
	_, err := l.client.Websites(labNamespace).Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "user"})
	if err != nil {
		return fmt.Errorf("patch the Website %s: %w", name, err)
	}
	return nil
}

// untilReady waits until a Website's condition Ready has a reason, and is about the latest spec.
func (l *lesson) untilReady(ctx context.Context, name, reason string) (*v1alpha1.Website, error) {
	var website *v1alpha1.Website
	last := "none"
	err := l.until(ctx, fmt.Sprintf("%s is %s", name, reason), func(ctx context.Context) (bool, error) {
		var err error
		website, err = l.client.Websites(labNamespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(website.Status.Conditions, v1alpha1.ConditionReady)
		if ready != nil {
			last = ready.Reason + ": " + ready.Message
		}
		return ready != nil && ready.Reason == reason && ready.ObservedGeneration == website.Generation, nil
	})
	if err != nil && reason == controller.ReasonAvailable && ctx.Err() == nil {
		err = fmt.Errorf("%w (its condition Ready is %s; can the nodes run the image %s? 07-controller/kind.sh makes it)", err, last, defaultImage)
	}
	return website, err
}

// printConditions prints the conditions of a Website.
func (l *lesson) printConditions(website *v1alpha1.Website) {
	for _, condition := range website.Status.Conditions {
		l.say("%-12s %-6s %-12s %s", condition.Type, condition.Status, condition.Reason, condition.Message)
	}
}

// configMap makes a ConfigMap that is nobody's, with the lesson's label.
func (l *lesson) configMap(ctx context.Context, name string) error {
	_, err := l.kube.CoreV1().ConfigMaps(labNamespace).Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels()},
		Data:       map[string]string{"notes": "somebody's"},
	}, metav1.CreateOptions{FieldManager: "user"})
	if err != nil {
		return fmt.Errorf("create the ConfigMap %s: %w", name, err)
	}
	return nil
}

// reconciled says how many reconciles have ended so, in this process: it reads the metric website_reconcile_total.
func reconciled(result string) (float64, error) {
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		return 0, fmt.Errorf("gather the metrics: %w", err)
	}
	for _, family := range families {
		for _, sample := range family.GetMetric() {
			if family.GetName() == "website_reconcile_total" && sample.GetLabel()[0].GetValue() == result {
				return sample.GetCounter().GetValue(), nil
			}
		}
	}
	return 0, nil // no such yet
}

// requests counts what a client sends about objects whose names begin with a word, and the server accepts.
type requests struct {
	about string
	mu    sync.Mutex
	count map[string]int // by method and resource: "PUT websites/status"
}

// through returns a config whose clients are counted.
func (r *requests) through(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(request)
			if err == nil && response.StatusCode < 300 {
				r.note(request)
			}
			return response, err
		})
	})
	return config
}

func (r *requests) note(request *http.Request) {
	_, path, _ := strings.Cut(request.URL.Path, "/namespaces/")
	parts := strings.Split(path, "/") // namespace, resource, name, subresource
	if len(parts) < 3 || !strings.HasPrefix(parts[2], r.about) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = map[string]int{}
	}
	r.count[request.Method+" "+strings.Join(slices.Delete(parts, 2, 3)[1:], "/")]++
}

// taken returns what was counted, and begins anew.
func (r *requests) taken() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := r.count
	r.count = nil
	return count
}

// summary is a count in one line.
func summary(count map[string]int) string {
	if len(count) == 0 {
		return "nothing"
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[what], what))
	}
	return strings.Join(parts, ", ")
}
