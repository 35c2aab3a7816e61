package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/features"
	"k8s.io/client-go/tools/cache"
	fcache "k8s.io/client-go/tools/cache/testing"
)

// gates is a registry that only looks at what it is told of.
type gates map[features.Feature]features.FeatureSpec

func (g gates) Add(all map[features.Feature]features.FeatureSpec) error {
	maps.Copy(g, all)
	return nil
}

// history is one, too, and is told of older versions.
type history map[features.Feature]features.VersionedSpecs

func (h history) AddVersioned(all map[features.Feature]features.VersionedSpecs) error {
	maps.Copy(h, all)
	return nil
}

// What can be seen of a gate of the informer's: true if it is on.
var gateEffects = map[features.Feature]func(*testing.T) bool{
	features.AtomicFIFO:                   storeKnowsHowFarItIs,
	features.InOrderInformersBatchProcess: func(t *testing.T) bool { ahead, _ := behindSlowHandler(t); return ahead },
	features.UnlockWhileProcessingFIFO:    func(t *testing.T) bool { _, goesOn := behindSlowHandler(t); return goesOn },
}

// The gates of the table in README.md are on, and all but one can be switched off in the environment.
func TestGates(t *testing.T) {
	known := gates{}
	require.NoError(t, features.AddFeaturesToExistingFeatureGates(known))
	assert.True(t, known[features.InOrderInformers].LockToDefault) // TestQueue tries it
	old := history{}
	require.NoError(t, features.AddVersionedFeaturesToExistingFeatureGates(old))
	queue := old[features.InOrderInformers]
	require.Len(t, queue, 2)
	assert.Equal(t, "1.33", queue[0].Version.String())
	assert.True(t, queue[0].Default && !queue[0].LockToDefault, "the default since then")
	assert.Equal(t, "1.36", queue[1].Version.String())
	assert.True(t, queue[1].LockToDefault, "no way back since then")
	for gate, effect := range gateEffects {
		t.Run(string(gate), func(t *testing.T) {
			assert.True(t, known[gate].Default)
			assert.False(t, known[gate].LockToDefault)
			variable := "KUBE_FEATURE_" + string(gate)
			on := os.Getenv(variable) != "false"
			assert.Equal(t, on, features.FeatureGates().Enabled(gate))
			assert.Equal(t, on, effect(t))
			if !on {
				return
			}
			off := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestGates$/^"+string(gate)+"$")
			off.Env = append(os.Environ(), variable+"=false")
			output, err := off.CombinedOutput()
			require.NoError(t, err, string(output))
		})
	}
}

// Bookmarks and lists come to the store with their resourceVersions.
func storeKnowsHowFarItIs(t *testing.T) (knows bool) {
	synctest.Test(t, func(t *testing.T) {
		source := fcache.NewFakeControllerSource()
		t.Cleanup(source.Shutdown)
		source.Add(version("cup", ""))
		informer := startInformer(t, listWatch(source), cache.ResourceEventHandlerFuncs{})
		knows = informer.GetStore().LastStoreSyncResourceVersion() != ""
	})
	return knows
}

// A handler is called by the loop itself, and takes its time. Three pods come meanwhile. Does the reflector go on? And when
// the handler hears of the first of them, are the others in the store?
func behindSlowHandler(t *testing.T) (ahead, goesOn bool) {
	source := fcache.NewFakeControllerSource()
	t.Cleanup(source.Shutdown)
	called, goOn := make(chan int), make(chan struct{})
	var store cache.Store
	var controller cache.Controller
	store, controller = cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: listWatch(source), ObjectType: &corev1.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: func(any) {
			called <- len(store.ListKeys())
			<-goOn
		}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	source.Add(version("cup", ""))
	go func() { defer close(ended); controller.RunWithContext(ctx) }()
	<-called
	for _, name := range []string{"pan", "mug", "pot"} {
		source.Add(version(name, ""))
	}
	require.Eventually(t, func() bool {
		goesOn = controller.LastSyncResourceVersion() == "4"
		return goesOn || waitsForLock("cache.(*RealFIFO).")
	}, 10*time.Second, time.Millisecond)
	goOn <- struct{}{}
	ahead = <-called == 4
	cancel()
	close(goOn)
	go func() {
		for range called {
		}
	}()
	<-ended
	close(called)
	return ahead, goesOn
}
