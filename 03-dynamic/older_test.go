package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
)

// Most answers to "how do I apply a YAML file" decode it with the scheme of the built-in types. That scheme knows no
// custom resource, and of a file with several documents it reads the first and says nothing.
func TestOlderDecoder(t *testing.T) {
	decoder := scheme.Codecs.UniversalDeserializer()
	_, _, err := decoder.Decode(example, nil, nil)
	assert.EqualError(t, err, `no kind "Plate" is registered for version "dynamic.lab.example.com/v1" in scheme "pkg/runtime/scheme.go:111"`)

	two := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
	got, _, err := decoder.Decode(two, nil, nil)
	require.NoError(t, err)
	assert.Equal(t, "a", got.(*corev1.ConfigMap).Name)

	typo := []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndta: {x: y}\n")
	_, _, err = decoder.Decode(typo, nil, nil)
	assert.NoError(t, err, "an unknown field is dropped without a word")
}

// A map made by hand may hold what JSON has not. Sending it works; copying it does not, and every cache and fake copies.
func TestIntegersByHand(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"replicas": 2}}}
	_, err := object.MarshalJSON()
	assert.NoError(t, err)
	assert.EqualError(t, panicOf(func() { object.DeepCopy() }).(error), "cannot deep copy int")
	assert.EqualError(t, panicOf(func() {
		(&unstructured.Unstructured{Object: map[string]any{"containers": []map[string]any{}}}).DeepCopy()
	}).(error), "cannot deep copy []map[string]interface {}")
}
