package main

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/klog/v2"
)

// In a synctest bubble the clock jumps ahead whenever every goroutine waits: nine seconds of streams take milliseconds.
func TestWatchesOnFake(t *testing.T) {
	for _, young := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			streams := &fakeStreams{young: young, open: map[*watch.RaceFreeFakeWatcher]string{}}
			client := streams.clientset()
			ctx := klog.NewContext(t.Context(), klog.Logger{})
			var out bytes.Buffer
			require.NoError(t, watches(ctx, client, labNamespace, &out))
			program.RequireOutput(t, "watch", out.String())
			if young {
				assert.Contains(t, out.String(), youngServer)
			} else {
				assert.NotContains(t, out.String(), youngServer)
			}
		})
	}
}

// A watch that brings nothing does not say that the server is young: revision 1 must be there to be read.
func TestSilentServerIsNotYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := (&fakeStreams{young: true}).clientset()
		client.PrependReactor("list", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewResourceExpired("The provided resource version is too old.")
		})
		var out bytes.Buffer
		err := retryWatcherTooLate(klog.NewContext(t.Context(), klog.Logger{}), client, labNamespace, &out)
		require.True(t, apierrors.IsResourceExpired(err), "%v", err)
		assert.Empty(t, out.String())
	})
}

// What a RetryWatcher does when it gets no stream at all. The last case surprises: a 410 that is the answer itself, and not
// an event, is tried again for ever, with the same resourceVersion. (A kube-apiserver sends it as an event.)
func TestRetryWatcherWithoutStream(t *testing.T) {
	events := schema.GroupResource{Resource: "events"}
	for name, c := range map[string]struct {
		err  error
		ends bool
	}{
		"forbidden":     {apierrors.NewForbidden(events, "", errors.New("no")), true},
		"unauthorized":  {apierrors.NewUnauthorized("who are you?"), true},
		"server down":   {syscall.ECONNREFUSED, false},
		"410 as answer": {apierrors.NewResourceExpired("too old"), false},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(klog.NewContext(t.Context(), klog.Logger{}), 10*time.Second)
			defer cancel()
			attempts := 0
			source := &cache.ListWatch{WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
				attempts++
				return nil, c.err
			}}
			watcher, err := watchtools.NewRetryWatcherWithContext(ctx, "1", source)
			require.NoError(t, err)
			event, err := next(ctx, watcher)
			cancel()
			<-watcher.Done() // from here on, attempts is ours
			if c.ends {
				assert.Equal(t, watch.Error, event.Type, name)
				assert.Equal(t, 1, attempts, name)
			} else {
				assert.ErrorIs(t, err, context.DeadlineExceeded, name)
				assert.Greater(t, attempts, 5, name)
			}
		})
	}
}

// fakeStreams gives a fake clientset what it lacks for the step watch: resourceVersions, and watches that begin where they
// are told to, bring bookmarks, and end. It is made of reactors, which stand in front of the fake's own tracker.
type fakeStreams struct {
	young bool // nothing is too old yet

	mu      sync.Mutex
	version int
	history []watch.Event
	open    map[*watch.RaceFreeFakeWatcher]string // and the name that each one is about
}

func (s *fakeStreams) clientset() *fake.Clientset {
	client := fake.NewClientset()
	tracker := client.Tracker() // in a reactor nothing else may be asked: the clientset holds its lock
	client.PrependReactor("list", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		list, err := tracker.List(action.GetResource(), corev1.SchemeGroupVersion.WithKind("ConfigMap"), action.GetNamespace())
		if err != nil {
			return true, nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		list.(*corev1.ConfigMapList).ResourceVersion = strconv.Itoa(s.version)
		return true, list, nil
	})
	for verb, event := range map[string]watch.EventType{"create": watch.Added, "update": watch.Modified} {
		client.PrependReactor(verb, "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
			configMap := action.(clienttesting.UpdateAction).GetObject().(*corev1.ConfigMap) // a CreateAction has the same method
			_, err := tracker.Get(action.GetResource(), action.GetNamespace(), configMap.Name)
			if (err == nil) == (verb == "update") {
				s.tell(event, configMap)
			}
			return false, nil, nil // now the tracker stores it, or says what is wrong
		})
	}
	client.PrependReactor("delete", "configmaps", func(action clienttesting.Action) (bool, runtime.Object, error) {
		old, err := tracker.Get(action.GetResource(), action.GetNamespace(), action.(clienttesting.DeleteAction).GetName())
		if err == nil {
			s.tell(watch.Deleted, old.(*corev1.ConfigMap))
		}
		return false, nil, nil
	})
	client.PrependWatchReactor("configmaps", s.watch)
	client.PrependWatchReactor("events", s.watchTooLate)
	return client
}

// tell gives the object a new version, and sends an event to the streams that are about it.
func (s *fakeStreams) tell(kind watch.EventType, configMap *corev1.ConfigMap) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	configMap.ResourceVersion = strconv.Itoa(s.version)
	event := watch.Event{Type: kind, Object: configMap.DeepCopy()}
	s.history = append(s.history, event)
	for stream, name := range s.open {
		if configMap.Name == name {
			stream.Action(event.Type, event.Object)
		}
	}
}

// watch replays what happened after the given version, then goes on until its time is over. Two seconds before the end it
// sends a bookmark, if there is news.
func (s *fakeStreams) watch(action clienttesting.Action) (bool, watch.Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	options := action.(clienttesting.WatchActionImpl).ListOptions
	name, _ := action.(clienttesting.WatchAction).GetWatchRestrictions().Fields.RequiresExactMatch("metadata.name")
	from, err := strconv.Atoi(options.ResourceVersion)
	if err != nil {
		return true, nil, err
	}
	stream := watch.NewRaceFreeFake()
	for _, event := range s.history {
		configMap := event.Object.(*corev1.ConfigMap)
		if version, _ := strconv.Atoi(configMap.ResourceVersion); version > from && configMap.Name == name {
			stream.Action(event.Type, event.Object)
		}
	}
	s.open[stream] = name
	if options.TimeoutSeconds == nil {
		return true, stream, nil
	}
	timeout := time.Duration(*options.TimeoutSeconds) * time.Second
	time.AfterFunc(timeout-2*time.Second, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if options.AllowWatchBookmarks && s.version > from {
			stream.Action(watch.Bookmark, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{ResourceVersion: strconv.Itoa(s.version)}})
		}
	})
	time.AfterFunc(timeout, stream.Stop)
	return true, stream, nil
}

// watchTooLate is a watch from a revision that is forgotten.
func (s *fakeStreams) watchTooLate(action clienttesting.Action) (bool, watch.Interface, error) {
	stream := watch.NewRaceFreeFake()
	if !s.young {
		expired := apierrors.NewResourceExpired("The resourceVersion for the provided watch is too old.").Status()
		stream.Error(&expired)
	}
	if !s.young || action.(clienttesting.WatchActionImpl).ListOptions.TimeoutSeconds != nil {
		stream.Stop()
	}
	return true, stream, nil
}
