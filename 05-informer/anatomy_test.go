package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// The step makes two changes wait and shows one batch. A bookmark, which the server may send at any time, must not part it.
func TestBookmarkDoesNotPartABatch(t *testing.T) {
	hand := newByHand(cache.ResourceEventHandlerFuncs{}, func(string, ...any) {})
	reflector := &spy{hand.queue, hand.say}
	pod := func(name string) *corev1.Pod { return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	require.NoError(t, reflector.Update(pod("kettle")))
	require.Implements(t, (*cache.ReflectorBookmarkStore)(nil), reflector)
	require.NoError(t, reflector.Bookmark("7"))
	require.NoError(t, reflector.Update(pod("cup")))
	require.NoError(t, hand.queue.PopBatch(hand.batch, hand.single))
	assert.ElementsMatch(t, []string{"kettle", "cup"}, hand.store.ListKeys())
}
